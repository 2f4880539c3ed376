import { describe, expect, it } from 'vitest'
import type { Container, ImageSpec } from './generated/cri.ts'
import { clientOf, containerOf } from './testing.ts'

const ID = `sha256:${'a'.repeat(64)}`
const DIGEST = `r.test/app@sha256:${'1'.repeat(64)}`
const TAG = 'r.test/app:latest'

const spec = (image: string, more: Partial<ImageSpec> = {}): ImageSpec => ({
  image,
  userSpecifiedImage: '',
  imageRef: '',
  ...more,
})

/** The images that a container uses, as the client reads them. */
async function imagesOf(container: Partial<Container>, ...mounts: readonly ImageSpec[]) {
  const client = await clientOf({
    ListContainers: () => ({ containers: [containerOf('c', '', container)] }),
    ContainerStatus: () => ({ status: { id: 'c', mounts: mounts.map(image => ({ image })) } }),
  })
  return (await client.listContainers())[0]?.images
}

describe('the images of a container', () => {
  // The kubelet gives the ID of the image and the text of the Pod. The tag may have moved since.
  it.each([
    ['an ID', spec(ID, { userSpecifiedImage: TAG }), [ID]],
    ['the ID of CRI-O', spec('a'.repeat(64), { userSpecifiedImage: TAG }), ['a'.repeat(64)]],
    ['a digest', spec(DIGEST, { userSpecifiedImage: TAG }), [DIGEST]],
    ['an ID beside a tag', spec(TAG, { imageRef: ID, userSpecifiedImage: TAG }), [ID]],
    ['only tags', spec(TAG, { userSpecifiedImage: 'app' }), [TAG, 'app']],
  ])('of a mount with %s', async (_, mounted, images) => {
    expect(await imagesOf({ imageId: ID }, mounted)).toEqual([ID, ...images])
  })

  it.each<readonly [string, Partial<Container>, readonly string[]]>([
    ['an ID', { imageId: ID, image: spec(TAG) }, [ID]],
    ['an ID as its reference', { imageRef: ID, image: spec(TAG, { userSpecifiedImage: TAG }) }, [ID]],
    ['only a tag', { image: spec(TAG) }, [TAG]],
  ])('made from %s', async (_, container, images) => {
    expect(await imagesOf(container)).toEqual(images)
  })
})
