import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { ServerNames } from './issue.ts'

/** All that the replicas share, as it stands in their Secret. PEM everywhere. */
export interface Material {
  /** What the server shows: `tls.crt`. */
  readonly certificate: string
  /** `tls.key`. */
  readonly key: string
  /** What clients shall trust, the signing authority first: `ca.crt`. */
  readonly bundle: string
  /** The key of the signing authority: `ca.key`. Empty where others made the rest. */
  readonly authorityKey: string
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** The certificates of a PEM bundle. What cannot be read is left out. */
export function certificatesOf(bundle: string): X509Certificate[] {
  return (bundle.match(CERTIFICATE) ?? []).flatMap(text => {
    try {
      return [new X509Certificate(text)]
    } catch {
      return [] // clients could not use it either
    }
  })
}

/** The PEM bundle of these certificates. */
export function bundleOf(certificates: readonly X509Certificate[]): string {
  return certificates.map(certificate => certificate.toString()).join('')
}

/** True where the private key is readable and the certificate's own. */
export function belongsTo(key: string, certificate: X509Certificate): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key))
  } catch {
    return false // not a key
  }
}

/** True where the authority has signed the certificate. */
export function hasIssued(authority: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
}

/** True where the certificate is good for every one of the names. */
export function covers(certificate: X509Certificate, { dns, ip }: ServerNames): boolean {
  return (
    dns.every(name => certificate.checkHost(name) !== undefined) &&
    ip.every(address => certificate.checkIP(address) !== undefined)
  )
}

/** True at this time, in milliseconds since 1970. */
export function isValidAt(certificate: X509Certificate, now: number): boolean {
  return certificate.validFromDate.getTime() <= now && now < certificate.validToDate.getTime()
}
