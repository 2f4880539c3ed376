import { status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import type { ImageSpec } from './generated/cri.ts'
import { resolveShortNames } from './short-names.ts'
import { clientOf, listed, unknown } from './testing.ts'
import { traitsOf } from './traits.ts'

const D1 = `sha256:${'1'.repeat(64)}`

const traitsFor = (name: string) => traitsOf({ name, version: '1', apiVersion: 'v1' })

/** Resolves short names on a runtime where `short` is the image with these names, and no other is known. */
async function resolved(
  name: string,
  short: Readonly<Record<string, readonly string[] | undefined>>,
  references: readonly string[],
) {
  const client = await clientOf({
    ImageStatus: ({ image }: { readonly image?: ImageSpec }) => {
      const text = image?.image ?? ''
      if (!(text in short)) {
        throw unknown(
          `short-name "${text}" did not resolve to an alias and no unqualified-search registries are defined`,
        )
      }
      const names = short[text]
      return { image: names && listed('a', ...names) }
    },
  })
  const { names, errors } = await resolveShortNames(client, traitsFor(name), references)
  expect(errors).toEqual(new Map())
  return names
}

describe('resolveShortNames', () => {
  const tags = ['other.test/web:1', 'q.test/team/nginx:1', 'q.test/nginx:1', 'q.test/nginx:latest']
  it.each([
    ['nginx:1', ['q.test/team/web:1', 'q.test/nginx:1'], 'q.test/nginx:1'],
    ['nginx', tags, 'q.test/nginx:latest'],
    ['team/nginx:1', tags, 'q.test/team/nginx:1'],
    [`nginx@${D1}`, [...tags, `q.test/nginx@${D1}`], `q.test/nginx@${D1}`],
    [`nginx:1@${D1}`, [...tags, `q.test/nginx@${D1}`], `q.test/nginx@${D1}`],
    ['alias', ['q.test/whatever:latest'], 'q.test/whatever:latest'],
    ['absent:1', undefined, ''],
  ])('%s', async (text, names, shortName) => {
    expect(await resolved('cri-o', { [text]: names }, [text, text])).toEqual(new Map([[text, shortName]]))
  })

  it('resolves to no image when no registry is known', async () => {
    expect(await resolved('cri-o', {}, ['nginx:1'])).toEqual(new Map([['nginx:1', '']]))
  })

  it.each([
    'short-name "nginx:1" did not resolve to an alias and no unqualified-search registries are defined in "/etc/containers/registries.conf"',
    'short name mode is enforcing, but image name nginx:1 returns ambiguous list',
  ])('knows the text for a name that no Pod can pull: %s', async text => {
    const client = await clientOf({
      ImageStatus: () => {
        throw unknown(text)
      },
    })
    const { names, errors } = await resolveShortNames(client, traitsFor('cri-o'), ['nginx:1'])
    expect([...names]).toEqual([['nginx:1', '']])
    expect([...errors]).toEqual([])
  })

  it.each([
    'locating item named "manifest" for image with ID "aa": file does not exist',
    'getting image: layer not known: short-name',
    'write /var/lib/containers/storage: no space left on device',
  ])('takes no other error for a missing image: %s', async text => {
    const client = await clientOf({
      ImageStatus: ({ image }: { readonly image?: ImageSpec }) => {
        if (image?.image === 'nginx:1') throw unknown(text)
        return { image: listed('a', 'q.test/busybox:1') }
      },
    })
    const { names, errors } = await resolveShortNames(client, traitsFor('cri-o'), ['nginx:1', 'busybox:1'])
    expect([...names]).toEqual([['busybox:1', 'q.test/busybox:1']])
    expect([...errors]).toEqual([['nginx:1', expect.stringContaining(text)]])
  })

  it('throws where the runtime does not answer', async () => {
    const client = await clientOf({
      ImageStatus: () => {
        throw Object.assign(new Error('away'), { code: status.UNAVAILABLE, details: 'away' })
      },
    })
    await expect(resolveShortNames(client, traitsFor('cri-o'), ['nginx:1'])).rejects.toThrow(
      expect.objectContaining({ code: 'Unavailable' }),
    )
  })

  it('asks only about short names, and only a runtime that resolves them', async () => {
    const whole = ['docker.io/library/nginx', 'index.docker.io/library/nginx', 'q.test/nginx:1', 'Not/One']
    expect(await resolved('cri-o', {}, whole)).toEqual(new Map())
    expect(await resolved('containerd', {}, ['nginx:1'])).toEqual(new Map())
    expect(await resolved('docker', {}, ['nginx:1'])).toEqual(new Map())
  })
})
