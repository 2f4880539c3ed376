import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { certificatesOf, hasIssued, type KeyMaterial } from './material.ts'
import { type Lifetimes, LIFETIMES, nextStep, rotate } from './rotation.ts'

const NAMES = { dns: ['hook.ns.svc', 'hook'], ip: ['127.0.0.1'] }
const START = Date.parse('2026-01-01T00:00:00Z')
const DAY = 24 * 3_600_000
const YEAR = 365 * DAY

const at = (now: number, material?: KeyMaterial, names = NAMES, lifetimes: Lifetimes = LIFETIMES) =>
  rotate(material, names, now, lifetimes)

const serving = ({ certificate }: KeyMaterial) => new X509Certificate(certificate)
/** True when a client with this bundle trusts a server with this certificate. */
const trusts = (bundle: KeyMaterial, shown: KeyMaterial, now: number) =>
  certificatesOf(bundle.bundle).some(
    authority => hasIssued(authority, serving(shown)) && authority.validToDate.getTime() > now,
  ) && serving(shown).validToDate.getTime() > now

describe('certificates', () => {
  it('are for the server alone, and signed by an authority that signs nothing else', async () => {
    const { material, until } = await at(START)
    const [authority] = certificatesOf(material.bundle)
    expect(authority?.ca).toBe(true)
    expect(authority?.validToDate).toEqual(new Date(START + 10 * YEAR))
    const certificate = serving(material)
    expect(certificate.ca).toBe(false)
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
    expect(certificate.subjectAltName).toBe('DNS:hook.ns.svc, DNS:hook, IP Address:127.0.0.1')
    expect(certificate.validToDate).toEqual(new Date(START + YEAR))
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
    expect(trusts(material, material, START)).toBe(true)
    expect((until - START) / DAY).toBeCloseTo((2 / 3) * 365, 0)
  })

  it('do not change before they are due', async () => {
    const { material, until } = await at(START)
    expect((await at(until - 1, material)).material).toBe(material)
    expect((await at(until + 1, material)).material.certificate).not.toBe(material.certificate)
  })

  it('of the server are renewed under the same authority', async () => {
    const { material, until } = await at(START)
    const next = await at(until + 1, material)
    expect(next.material.bundle).toBe(material.bundle)
    expect(trusts(material, next.material, until + 1)).toBe(true)
  })

  it('are always trusted, by an old bundle too, over thirty years', async () => {
    let { material } = await at(START)
    const authorities = new Set<string>()
    let renewals = 0
    for (let now = START; now < START + 30 * YEAR; now += 10 * DAY) {
      const next = (await at(now, material)).material
      expect(trusts(material, next, now), new Date(now).toISOString()).toBe(true)
      expect(trusts(next, material, now), new Date(now).toISOString()).toBe(true)
      if (next.certificate !== material.certificate) renewals += 1
      const bundle = certificatesOf(next.bundle)
      expect(bundle.length).toBeLessThanOrEqual(2)
      for (const one of bundle) authorities.add(one.serialNumber)
      material = next
    }
    expect(authorities.size).toBe(5)
    expect(renewals).toBeGreaterThan(40)
  })

  it('a new authority signs only after the trust delay', async () => {
    const { material } = await at(START)
    const now = START + 7 * YEAR
    const first = (await at(now, (await at(now - 1, material)).material)).material
    const [fresh, old] = certificatesOf(first.bundle)
    expect(old && hasIssued(old, serving(first))).toBe(true)
    const second = (await at(now + LIFETIMES.trustDelayMs + 1000, first)).material
    expect(second.bundle).toBe(first.bundle)
    expect(fresh && hasIssued(fresh, serving(second))).toBe(true)
  })

  it('are issued again for other names', async () => {
    const { material } = await at(START)
    const other = { ...NAMES, dns: ['other.ns.svc'] }
    const next = (await at(START, material, other)).material
    expect(serving(next).checkHost('other.ns.svc')).toBe('other.ns.svc')
    expect(next.bundle).toBe(material.bundle)
  })

  it.each<[string, (good: KeyMaterial) => KeyMaterial, boolean]>([
    ['nothing of it', () => ({ certificate: '', key: '', bundle: '', authorityKey: '' }), false],
    ['garbage', () => ({ certificate: 'x', key: 'y', bundle: 'z', authorityKey: '-' }), false],
    ['no key of the authority', good => ({ ...good, authorityKey: '' }), true],
    ['the key of another certificate', good => ({ ...good, key: good.authorityKey }), true],
    ['no bundle', good => ({ ...good, bundle: '' }), false],
    [
      'an unreadable certificate in the bundle',
      good => ({
        ...good,
        bundle: `${good.bundle}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      }),
      true,
    ],
  ])('are repaired where there is %s', async (_, spoil, keepsTrust) => {
    const good = (await at(START)).material
    const { material } = await at(START, spoil(good))
    expect(nextStep(material, NAMES, START, LIFETIMES).kind).toBe('keep')
    expect(trusts(material, material, START)).toBe(true)
    expect(trusts(good, material, START)).toBe(keepsTrust)
  })

  it('are issued again when all have expired', async () => {
    const { material } = await at(START)
    const year2 = (await at(START + 2 * YEAR, material)).material
    expect(trusts(material, year2, START + 2 * YEAR)).toBe(true)
    const year11 = (await at(START + 11 * YEAR, material)).material
    expect(certificatesOf(year11.bundle)).toHaveLength(1)
    expect(trusts(year11, year11, START + 11 * YEAR)).toBe(true)
  })

  it('cannot be issued for invalid names', async () => {
    await expect(at(START, undefined, { dns: [''], ip: [] })).rejects.toThrow(RangeError)
  })
})
