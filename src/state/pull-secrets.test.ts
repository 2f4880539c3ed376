import { afterEach, describe, expect, it } from 'vitest'
import { parseReference } from '../oci/reference.ts'
import { silentLogger } from '../kube/index.ts'
import { PullSecrets } from './pull-secrets.ts'
import { type ApiAnswer, apiServer } from './testing.ts'

const IMAGE = parseReference('registry.test/team/app:1')
const { signal } = new AbortController()

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function secrets(answers: Readonly<Record<string, ApiAnswer>>) {
  const { client, requests, close } = await apiServer(
    ({ path }) => answers[path] ?? { status: 404, body: { kind: 'Status', reason: 'NotFound', code: 404 } },
  )
  closers.push(close)
  return { secrets: new PullSecrets(client, silentLogger), requests }
}

const path = (name: string) => `/api/v1/namespaces/team/secrets/${name}`
const secret = (text: string): ApiAnswer => ({
  body: { data: { '.dockerconfigjson': Buffer.from(text).toString('base64') } },
})
const auths = (entries: object) => secret(JSON.stringify({ auths: entries }))

describe('PullSecrets', () => {
  it('gives the credentials of all Secrets for an image, in their order, and reads each once for many images', async () => {
    const { secrets: made, requests } = await secrets({
      [path('one')]: auths({
        'registry.test': { username: 'a', password: '1' },
        'other.test': { auth: 'eDp5' },
      }),
      [path('two')]: auths({ 'registry.test/team': { username: 'b', password: '2' } }),
    })
    for (const _ of ['once', 'twice']) {
      expect(await made.credentialsFor(IMAGE, 'team', ['one', 'two'], signal)).toEqual([
        { username: 'a', password: '1' },
        { username: 'b', password: '2' },
      ])
    }
    expect(requests.map(({ method, path: asked }) => `${method} ${asked}`)).toEqual([
      `GET ${path('one')}`,
      `GET ${path('two')}`,
    ])
  })

  it('reads none of more than 16', async () => {
    const { secrets: made, requests } = await secrets({})
    const names = Array.from({ length: 17 }, (_, index) => `s${index}`)
    expect(await made.credentialsFor(IMAGE, 'team', names, signal)).toBeUndefined()
    expect(requests).toEqual([])
    expect(await made.credentialsFor(IMAGE, 'team', names.slice(1), signal)).toEqual([])
  })

  it.each<[string, ApiAnswer | undefined]>([
    ['is not there', undefined],
    ['has no docker configuration', { body: { data: { other: 'eA==' } } }],
  ])('has nothing of a Secret that %s', async (_, answer) => {
    const { secrets: made } = await secrets(answer ? { [path('one')]: answer } : {})
    expect(await made.credentialsFor(IMAGE, 'team', ['one'], signal)).toEqual([])
  })

  it('reads the older type of Secret', async () => {
    const text = JSON.stringify({ 'registry.test': { username: 'a', password: '1' } })
    const body = { data: { '.dockercfg': Buffer.from(text).toString('base64') } }
    const { secrets: made } = await secrets({ [path('one')]: { body } })
    const expected = [{ username: 'a', password: '1' }]
    expect(await made.credentialsFor(IMAGE, 'team', ['one'], signal)).toEqual(expected)
  })

  it('does not take a Secret that is no docker configuration for no Secret', async () => {
    const { secrets: made } = await secrets({ [path('one')]: secret('{"auths":') })
    expect(await made.credentialsFor(IMAGE, 'team', ['one'], signal)).toBeUndefined()
  })

  it('says so where it may not read one, and throws what else is wrong', async () => {
    const forbidden = { status: 403, body: { kind: 'Status', reason: 'Forbidden', code: 403 } }
    const { secrets: made } = await secrets({ [path('one')]: auths({}), [path('two')]: forbidden })
    expect(await made.credentialsFor(IMAGE, 'team', ['one', 'two'], signal)).toBeUndefined()
    const broken = { status: 400, body: { kind: 'Status', reason: 'BadRequest', code: 400 } }
    const { secrets: other } = await secrets({ [path('one')]: broken })
    await expect(other.credentialsFor(IMAGE, 'team', ['one'], signal)).rejects.toMatchObject({
      code: 'BadRequest',
    })
  })
})
