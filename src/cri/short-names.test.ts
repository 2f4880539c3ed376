import { describe, expect, it } from 'vitest'
import type { ImageSpec } from './generated/cri.ts'
import { resolveShortNames } from './short-names.ts'
import { clientOf, listed, unknown } from './testing.ts'
import { traitsOf } from './traits.ts'

const D1 = `sha256:${'1'.repeat(64)}`

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
  return resolveShortNames(client, traitsOf({ name, version: '1', apiVersion: 'v1' }), references)
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

  it('asks only about short names, and only a runtime that resolves them', async () => {
    const whole = ['docker.io/library/nginx', 'index.docker.io/library/nginx', 'q.test/nginx:1', 'Not/One']
    expect(await resolved('cri-o', {}, whole)).toEqual(new Map())
    expect(await resolved('containerd', {}, ['nginx:1'])).toEqual(new Map())
    expect(await resolved('docker', {}, ['nginx:1'])).toEqual(new Map())
  })
})
