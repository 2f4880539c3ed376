import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { ServerNames } from './issue.ts'

/** Certificates and keys that all replicas share in a Secret, in PEM. */
export interface KeyMaterial {
  /** `tls.crt`: the serving certificate. */
  readonly certificate: string
  /** `tls.key`: its private key. */
  readonly key: string
  /** `ca.crt`: the authorities for clients, the signing one first. */
  readonly bundle: string
  /** `ca.key`: private key of the signing authority. Empty when others wrote the Secret. */
  readonly authorityKey: string
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** The certificates of a PEM bundle. Invalid ones are skipped. */
export function certificatesOf(bundle: string): X509Certificate[] {
  return (bundle.match(CERTIFICATE) ?? []).flatMap(text => {
    try {
      return [new X509Certificate(text)]
    } catch {
      return [] // clients cannot use it either
    }
  })
}

/** Formats certificates as a PEM bundle. */
export function bundleOf(certificates: readonly X509Certificate[]): string {
  return certificates.map(certificate => certificate.toString()).join('')
}

/** True when the private key is valid and belongs to the certificate. */
export function belongsTo(key: string, certificate: X509Certificate): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key))
  } catch {
    return false // not a key
  }
}

/** True when the authority signed the certificate. */
export function hasIssued(authority: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
}

/** True when the certificate is valid for each of the names. */
export function covers(certificate: X509Certificate, { dns, ip }: ServerNames): boolean {
  return (
    dns.every(name => certificate.checkHost(name) !== undefined) &&
    ip.every(address => certificate.checkIP(address) !== undefined)
  )
}

/** True when the certificate is valid at `now`, in milliseconds since 1970. */
export function isValidAt(certificate: X509Certificate, now: number): boolean {
  return certificate.validFromDate.getTime() <= now && now < certificate.validToDate.getTime()
}
