import type { X509Certificate } from 'node:crypto'
import { issueAuthority, issueServing, type KeyPair, type ServerNames, type Validity } from './issue.ts'
import {
  belongsTo,
  bundleOf,
  certificatesOf,
  covers,
  hasIssued,
  isValidAt,
  type Material,
} from './material.ts'

/**
 * When certificates are made anew. The authority is replaced in two steps, so that nobody ever meets a certificate that
 * it does not trust yet: first the new one stands in the bundle beside the old one, later it signs.
 */

/** How long things last, in milliseconds. */
export interface Lifetimes {
  readonly authorityMs: number
  readonly servingMs: number
  /** How long a new authority stands in the bundle before it signs: API servers have seen it by then. */
  readonly settleMs: number
  /** How far back certificates begin, for clocks that are behind. */
  readonly skewMs: number
}

const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS

/** The authority lasts ten years, a serving certificate one. */
export const LIFETIMES: Lifetimes = {
  authorityMs: 10 * YEAR_MS,
  servingMs: YEAR_MS,
  settleMs: HOUR_MS,
  skewMs: HOUR_MS,
}

/** Part of its life after which a certificate is replaced. */
const RENEW_AT = 2 / 3
/** Authorities in the bundle; the oldest go first. */
const MAX_AUTHORITIES = 4
/** More than any state needs to become right. */
const MAX_STEPS = 8

/** What has to be done, and when to look again (milliseconds since 1970) where it is nothing. */
export type Step =
  | { readonly kind: 'startOver' | 'renewAuthority' | 'renewServing' | 'prune' }
  | { readonly kind: 'keep'; readonly until: number }

/** Decides. Pure. */
export function nextStep(
  material: Material | undefined,
  names: ServerNames,
  now: number,
  lifetimes: Lifetimes,
): Step {
  const authorities = certificatesOf(material?.bundle ?? '')
  const [authority, ...older] = authorities
  const [serving] = certificatesOf(material?.certificate ?? '')
  const canSign =
    authority !== undefined && isValidAt(authority, now) && belongsTo(material?.authorityKey ?? '', authority)
  const canServe =
    serving !== undefined &&
    isValidAt(serving, now) &&
    belongsTo(material?.key ?? '', serving) &&
    covers(serving, names) &&
    authorities.some(one => isValidAt(one, now) && hasIssued(one, serving))
  if (!canServe) return { kind: canSign ? 'renewServing' : 'startOver' }
  if (!canSign || now >= renewalOf(authority)) return { kind: 'renewAuthority' }

  const settledAt = authority.validFromDate.getTime() + lifetimes.skewMs + lifetimes.settleMs
  const servingDue = hasIssued(authority, serving) ? renewalOf(serving) : settledAt
  if (now >= servingDue) return { kind: 'renewServing' }
  if (older.some(one => !isValidAt(one, now)) || older.length >= MAX_AUTHORITIES) return { kind: 'prune' }
  return {
    kind: 'keep',
    until: Math.min(servingDue, renewalOf(authority), ...older.map(one => one.validToDate.getTime())),
  }
}

/**
 * Does all that has to be done now. The answer is the same object where that is nothing. Rejects with `RangeError` for
 * names that no certificate can have.
 */
export async function rotate(
  material: Material | undefined,
  names: ServerNames,
  now: number,
  lifetimes: Lifetimes,
): Promise<{ readonly material: Material; readonly until: number }> {
  let current = material
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    const step = nextStep(current, names, now, lifetimes)
    if (step.kind === 'keep') {
      if (current === undefined) throw new TypeError('nothing cannot be kept')
      return { material: current, until: step.until }
    }
    current = await take(step.kind, current, { names, now, lifetimes })
  }
  throw new RangeError(`no certificate can be made for ${[...names.dns, ...names.ip].join(', ')}`)
}

interface Circumstances {
  readonly names: ServerNames
  readonly now: number
  readonly lifetimes: Lifetimes
}

async function take(
  kind: Exclude<Step['kind'], 'keep'>,
  material: Material | undefined,
  { names, now, lifetimes }: Circumstances,
): Promise<Material> {
  const authorityValidity = validity(now, lifetimes, lifetimes.authorityMs)
  if (kind === 'startOver' || material === undefined) {
    const authority = await issueAuthority(authorityValidity)
    return signed(authority, authority.certificate, { names, now, lifetimes })
  }
  const authorities = certificatesOf(material.bundle)
  if (kind === 'renewAuthority') {
    const authority = await issueAuthority(authorityValidity)
    const bundle = authority.certificate + bundleOf(authorities)
    return { ...material, bundle, authorityKey: authority.key }
  }
  const [first, ...older] = authorities
  if (first === undefined) throw new TypeError('there is no authority')
  if (kind === 'prune') {
    const kept = older.filter(one => isValidAt(one, now)).slice(0, MAX_AUTHORITIES - 1)
    return { ...material, bundle: bundleOf([first, ...kept]) }
  }
  const authority = { certificate: first.toString(), key: material.authorityKey }
  return signed(authority, material.bundle, { names, now, lifetimes })
}

async function signed(
  authority: KeyPair,
  bundle: string,
  { names, now, lifetimes }: Circumstances,
): Promise<Material> {
  const [issuer] = certificatesOf(authority.certificate)
  const wanted = validity(now, lifetimes, lifetimes.servingMs)
  const notAfter = issuer && issuer.validToDate < wanted.notAfter ? issuer.validToDate : wanted.notAfter
  const { certificate, key } = await issueServing(authority, names, { ...wanted, notAfter })
  return { certificate, key, bundle, authorityKey: authority.key }
}

function validity(now: number, { skewMs }: Lifetimes, lifeMs: number): Validity {
  return { notBefore: new Date(now - skewMs), notAfter: new Date(now + lifeMs) }
}

function renewalOf({ validFromDate, validToDate }: X509Certificate): number {
  const from = validFromDate.getTime()
  return from + (validToDate.getTime() - from) * RENEW_AT
}
