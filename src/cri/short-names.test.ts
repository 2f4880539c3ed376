import { describe, expect, it } from 'vitest'
import type { ImageSpec } from './generated/cri.ts'
import { meaningsOf } from './short-names.ts'
import { clientOf, listed, unknown } from './testing.ts'
import { traitsOf } from './traits.ts'

const D1 = `sha256:${'1'.repeat(64)}`

/** What a runtime's short names mean that takes `short` for the image with these names, and knows no other. */
async function meanings(
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
  return meaningsOf(client, traitsOf({ name, version: '1', apiVersion: 'v1' }), references)
}

describe('meaningsOf', () => {
  const tags = ['other.test/web:1', 'q.test/team/nginx:1', 'q.test/nginx:1', 'q.test/nginx:latest']
  it.each([
    ['nginx:1', ['q.test/team/web:1', 'q.test/nginx:1'], 'q.test/nginx:1'],
    ['nginx', tags, 'q.test/nginx:latest'],
    ['team/nginx:1', tags, 'q.test/team/nginx:1'],
    [`nginx@${D1}`, [...tags, `q.test/nginx@${D1}`], `q.test/nginx@${D1}`],
    [`nginx:1@${D1}`, [...tags, `q.test/nginx@${D1}`], `q.test/nginx@${D1}`],
    ['alias', ['q.test/whatever:latest'], 'q.test/whatever:latest'],
    ['absent:1', undefined, ''],
  ])('%s', async (text, names, meaning) => {
    expect(await meanings('cri-o', { [text]: names }, [text, text])).toEqual(new Map([[text, meaning]]))
  })

  it('is no image where no registry is known for it', async () => {
    expect(await meanings('cri-o', {}, ['nginx:1'])).toEqual(new Map([['nginx:1', '']]))
  })

  it('asks only for what leaves the registry out, and only a runtime that looks it up', async () => {
    const whole = ['docker.io/library/nginx', 'index.docker.io/library/nginx', 'q.test/nginx:1', 'Not/One']
    expect(await meanings('cri-o', {}, whole)).toEqual(new Map())
    expect(await meanings('containerd', {}, ['nginx:1'])).toEqual(new Map())
    expect(await meanings('docker', {}, ['nginx:1'])).toEqual(new Map())
  })
})
