// The library's dependency container needs this polyfill while it loads, so it comes first.
import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

/** Issues certificates: ECDSA P-256, in PEM. */

/** A certificate and its private key (PKCS #8). */
export interface KeyPair {
  readonly certificate: string
  readonly key: string
}

/** Start and end of a certificate's validity. */
export interface Validity {
  readonly notBefore: Date
  readonly notAfter: Date
}

/** Names and addresses in a serving certificate. */
export interface ServerNames {
  readonly dns: readonly string[]
  readonly ip: readonly string[]
}

const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNATURE = { ...KEY, hash: 'SHA-256' } as const
const ORGANIZATION = 'kubefledged.io'

/** Issues a certificate authority with a unique name, so that clients never confuse two authorities. */
export async function issueAuthority({ notBefore, notAfter }: Validity): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify'])
  const serialNumber = newSerial()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber,
    name: `O=${ORGANIZATION}, CN=webhook server authority ${serialNumber}`,
    notBefore,
    notAfter,
    keys,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: pem(certificate), key: await exportKey(keys.privateKey) }
}

/** Issues a serving certificate, signed by the authority. Rejects when the authority's PEM is not valid. */
export async function issueServing(
  authority: KeyPair,
  names: ServerNames,
  { notBefore, notAfter }: Validity,
): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify'])
  const issuer = new x509.X509Certificate(authority.certificate)
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: `O=${ORGANIZATION}, CN=${names.dns[0] ?? 'webhook server'}`,
    issuer: issuer.subject,
    notBefore,
    notAfter,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: SIGNATURE,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...names.dns.map(value => ({ type: 'dns' as const, value })),
        ...names.ip.map(value => ({ type: 'ip' as const, value })),
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  })
  return { certificate: pem(certificate), key: await exportKey(keys.privateKey) }
}

/** 127 random bits, never negative (RFC 5280 4.1.2.2). */
function newSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem').trimEnd()}\n`
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY').trimEnd()}\n`
}

function importKey(text: string): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(text), KEY, false, ['sign'])
}
