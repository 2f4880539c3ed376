import type { X509Certificate } from 'node:crypto'
import { issueAuthority, issueServing, type KeyPair, type ServerNames, type Validity } from './issue.ts'
import {
  belongsTo,
  bundleOf,
  certificatesOf,
  covers,
  hasIssued,
  isValidAt,
  type KeyMaterial,
} from './material.ts'

/**
 * Decides when certificates are renewed. A new authority is introduced in two steps, so that clients trust it
 * before it signs: first it is added to the bundle beside the old one, later it signs the serving
 * certificate.
 */

/** Lifetimes and delays in milliseconds. */
export interface Lifetimes {
  readonly authorityMs: number
  readonly servingMs: number
  /** How long a new authority is in the bundle before it signs, so that API servers read it in time. */
  readonly trustDelayMs: number
  /** How far in the past a certificate starts, for clocks that are slow. */
  readonly skewMs: number
}

const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS

/** An authority is valid for ten years, a serving certificate for one year. */
export const LIFETIMES: Lifetimes = {
  authorityMs: 10 * YEAR_MS,
  servingMs: YEAR_MS,
  trustDelayMs: HOUR_MS,
  skewMs: HOUR_MS,
}

/** A certificate is renewed after this part of its lifetime. */
const RENEW_AT = 2 / 3
/** Greatest number of authorities in the bundle. The oldest are removed. */
const MAX_AUTHORITIES = 4
/** Greatest number of steps of one rotation. Every state needs fewer. */
const MAX_STEPS = 8

/** The next step, or `keep` with the time of the next check, in milliseconds since 1970. */
export type Step =
  | { readonly kind: 'issueAll' | 'renewAuthority' | 'renewServing' | 'prune' }
  | { readonly kind: 'keep'; readonly until: number }

/** Decides the next step. Pure function. */
export function nextStep(
  material: KeyMaterial | undefined,
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
  if (!canServe) return { kind: canSign ? 'renewServing' : 'issueAll' }
  if (!canSign || now >= renewalOf(authority)) return { kind: 'renewAuthority' }

  const trustedAt = authority.validFromDate.getTime() + lifetimes.skewMs + lifetimes.trustDelayMs
  const servingDue = hasIssued(authority, serving) ? renewalOf(serving) : trustedAt
  if (now >= servingDue) return { kind: 'renewServing' }
  if (older.some(one => !isValidAt(one, now)) || older.length >= MAX_AUTHORITIES) return { kind: 'prune' }
  return {
    kind: 'keep',
    until: Math.min(servingDue, renewalOf(authority), ...older.map(one => one.validToDate.getTime())),
  }
}

/**
 * Does all steps that are due now. Returns the same material when none is due. Rejects with `RangeError` for
 * names that no certificate can have.
 */
export async function rotate(
  material: KeyMaterial | undefined,
  names: ServerNames,
  now: number,
  lifetimes: Lifetimes,
): Promise<{ readonly material: KeyMaterial; readonly until: number }> {
  let current = material
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    const step = nextStep(current, names, now, lifetimes)
    if (step.kind === 'keep') {
      if (current === undefined) throw new TypeError('nothing cannot be kept')
      return { material: current, until: step.until }
    }
    current = await perform(step.kind, current, { names, now, lifetimes })
  }
  throw new RangeError(`no certificate can be made for ${[...names.dns, ...names.ip].join(', ')}`)
}

interface IssueContext {
  readonly names: ServerNames
  readonly now: number
  readonly lifetimes: Lifetimes
}

async function perform(
  kind: Exclude<Step['kind'], 'keep'>,
  material: KeyMaterial | undefined,
  { names, now, lifetimes }: IssueContext,
): Promise<KeyMaterial> {
  const authorityValidity = validity(now, lifetimes, lifetimes.authorityMs)
  if (kind === 'issueAll' || material === undefined) {
    const authority = await issueAuthority(authorityValidity)
    return withNewServing(authority, authority.certificate, { names, now, lifetimes })
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
  return withNewServing(authority, material.bundle, { names, now, lifetimes })
}

async function withNewServing(
  authority: KeyPair,
  bundle: string,
  { names, now, lifetimes }: IssueContext,
): Promise<KeyMaterial> {
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
