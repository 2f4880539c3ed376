import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CriContainer, CriImage } from '../client.ts'
import { planRemoval, type RemovalInput, type KeepReason } from './plan-removal.ts'
import { type RuntimeTraits, traitsOf } from '../traits.ts'

const D1 = `sha256:${'1'.repeat(64)}`
const D2 = `sha256:${'2'.repeat(64)}`
const ID = `sha256:${'a'.repeat(64)}`
const OTHER_ID = `sha256:${'b'.repeat(64)}`

function imageOf(names: readonly string[], options: Partial<CriImage> = {}): CriImage {
  return {
    id: ID,
    repoTags: names.filter(name => !name.includes('@')),
    repoDigests: names.filter(name => name.includes('@')),
    sizeBytes: 1000,
    pinned: false,
    ...options,
  }
}

function containerOf(...images: string[]): CriContainer {
  return { id: 'c0ffee', name: 'web', pod: 'shop/web-0', images, leftover: false }
}

function plan(request: Partial<RemovalInput>) {
  const defaults = {
    images: [],
    containers: [],
    remove: [],
    keep: [],
    traits: CONTAINERD,
    shortNames: new Map(),
  }
  return planRemoval({ ...defaults, ...request })
}

const stays = (reason: KeepReason, detail = '') => ({
  steps: [],
  decisions: [{ kind: 'Keep', reason, detail }],
})
const goes = { kind: 'Remove', step: 0 }

const [CONTAINERD, CRIO, DOCKER] = ['containerd', 'cri-o', 'docker'].map(name =>
  traitsOf({ name, version: '1', apiVersion: 'v1' }),
) as [RuntimeTraits, RuntimeTraits, RuntimeTraits]

describe('planRemoval', () => {
  it('removes an image when all its tags are removed, with its digests', () => {
    const names = ['r.test/app:1', 'r.test/app:2', `r.test/app@${D1}`]
    const images = [imageOf(names)]
    expect(plan({ images, remove: ['r.test/app:1', 'r.test/app:2'] })).toEqual({
      steps: [{ kind: 'RemoveImage', id: ID, names, sizeBytes: 1000, leftovers: [] }],
      decisions: [goes, goes],
    })
  })

  it.each([
    ['nginx', 'docker.io/library/nginx:latest'],
    ['docker.io/library/nginx:1', 'nginx:1'],
    [`r.test/app:1@${D1}`, `r.test/app@${D1}`],
  ])('knows %s as %s', (reference, listed) => {
    expect(plan({ images: [imageOf([listed])], remove: [reference] }).decisions).toEqual([goes])
  })

  it('reports missing images and invalid references', () => {
    expect(plan({ images: [imageOf(['r.test/app:1'])], remove: ['r.test/app:2', 'Not/One'] })).toEqual({
      steps: [],
      decisions: [
        { kind: 'Keep', reason: 'NotFound', detail: '' },
        { kind: 'Keep', reason: 'InvalidReference', detail: '' },
      ],
    })
  })

  it.each([
    ['its ID', ID],
    ['its ID as CRI-O writes it', 'a'.repeat(64)],
    ['a tag', 'r.test/app:1'],
    ['another tag of the same ID', 'r.test/other:1'],
    ['a digest', `r.test/app@${D1}`],
    ['a digest as Docker writes it', `docker-pullable://r.test/app@${D1}`],
  ])('leaves what a container uses by %s', (_, used) => {
    const images = [imageOf(['r.test/app:1', 'r.test/other:1', `r.test/app@${D1}`])]
    expect(plan({ images, containers: [containerOf(used)], remove: ['r.test/app:1'] })).toEqual(
      stays('InUse', 'container web of Pod shop/web-0'),
    )
  })

  it('removes an image that no container uses while another image is in use', () => {
    const images = [imageOf(['r.test/app:1']), imageOf(['r.test/app:2'], { id: OTHER_ID })]
    const containers = [containerOf(OTHER_ID, 'r.test/app:2')]
    expect(plan({ images, containers, remove: ['r.test/app:1'] }).decisions).toEqual([goes])
  })

  it.each([
    ['pinned', imageOf(['r.test/app:1'], { pinned: true }), 'r.test/app:1'],
    ['the sandbox image', imageOf(['registry.k8s.io/pause:3.10']), 'registry.k8s.io/pause:3.10'],
    ['a mirror of it', imageOf(['rancher/mirrored-pause:3.6']), 'rancher/mirrored-pause:3.6'],
  ])('never removes %s', (_, image, reference) => {
    expect(plan({ images: [image], remove: [reference] })).toEqual(stays('Pinned'))
  })

  it('keeps what others want, in every spelling', () => {
    const images = [imageOf(['docker.io/library/nginx:latest'])]
    expect(plan({ images, remove: ['nginx'], keep: ['docker.io/library/nginx:latest'] })).toEqual(
      stays('WantedByOthers'),
    )
  })

  describe('two tags of one image', () => {
    const images = [imageOf(['a.test/app:1', 'b.test/app:2', `a.test/app@${D1}`, `b.test/app@${D1}`])]

    it('removes one name and its digest when the runtime can', () => {
      expect(plan({ images, remove: ['a.test/app:1'] })).toEqual({
        steps: [{ kind: 'RemoveNames', id: ID, names: ['a.test/app:1', `a.test/app@${D1}`] }],
        decisions: [goes],
      })
    })

    it('keeps both when the runtime cannot', () => {
      const request = { images, remove: ['a.test/app:1'], traits: DOCKER }
      expect(plan(request)).toEqual(stays('SharedId', 'b.test/app:2'))
      expect(plan({ ...request, keep: ['b.test/app:2'] })).toEqual(stays('WantedByOthers', 'b.test/app:2'))
    })

    it('keeps and reports the digest that a tag of the same repository needs', () => {
      const same = [imageOf(['a.test/app:1', 'a.test/app:2', `a.test/app@${D1}`])]
      expect(plan({ images: same, remove: ['a.test/app:1'] }).steps).toEqual([
        { kind: 'RemoveNames', id: ID, names: ['a.test/app:1'] },
      ])
      expect(plan({ images: same, remove: [`a.test/app@${D1}`] })).toEqual(stays('SharedId', 'a.test/app:1'))
    })
  })

  it('keeps the digest that another cache wants when the runtime can', () => {
    const images = [imageOf(['r.test/app:1', `r.test/app@${D1}`])]
    const request = { images, remove: ['r.test/app:1'], keep: [`r.test/app@${D1}`] }
    expect(plan(request).steps).toEqual([{ kind: 'RemoveNames', id: ID, names: ['r.test/app:1'] }])
    expect(plan({ ...request, traits: CRIO })).toEqual(stays('WantedByOthers', `r.test/app@${D1}`))
  })

  it('keeps every digest of a repository of which too many names are wanted', () => {
    const images = [imageOf(['r.test/app:1', `r.test/app@${D1}`, `q.test/app@${D1}`])]
    const keepRepositories = ['r.test/app']
    const request = { images, remove: ['r.test/app:1', `q.test/app@${D1}`], keepRepositories }
    expect(plan(request).steps).toEqual([
      { kind: 'RemoveNames', id: ID, names: ['r.test/app:1', `q.test/app@${D1}`] },
    ])
    expect(plan({ ...request, remove: [`r.test/app@${D1}`] })).toEqual(stays('WantedByOthers'))
    expect(plan({ ...request, remove: ['r.test/app:1'], traits: CRIO })).toEqual(
      stays('WantedByOthers', `r.test/app@${D1}`),
    )
  })

  it('removes an image without tags by its digest', () => {
    const images = [imageOf([`r.test/app@${D1}`])]
    expect(plan({ images, remove: [`r.test/app@${D1}`] }).decisions).toEqual([goes])
  })

  describe('an image of an index, pulled by its digest, which CRI-O lists with the digest of its manifest', () => {
    const images = [imageOf([`r.test/app@${D1}`, `r.test/app@${D2}`], { id: 'a'.repeat(64) })]
    const request = { images, remove: [`r.test/app@${D1}`], traits: CRIO }

    it('is removed', () => {
      expect(plan(request).decisions).toEqual([goes])
    })

    it('is kept when the other digest is wanted or a tag exists', () => {
      expect(plan({ ...request, keep: [`r.test/app@${D2}`] })).toEqual(
        stays('WantedByOthers', `r.test/app@${D2}`),
      )
      const tagged = [imageOf(['r.test/app:1', `r.test/app@${D1}`, `r.test/app@${D2}`])]
      expect(plan({ ...request, images: tagged })).toEqual(stays('SharedId', 'r.test/app:1'))
    })

    it('is kept with Docker, which lists only pulled digests', () => {
      expect(plan({ ...request, traits: DOCKER })).toEqual(stays('SharedId', `r.test/app@${D2}`))
    })
  })

  describe('an artifact, which CRI-O lists once for each tag', () => {
    const id = 'a'.repeat(64)
    const images = ['r.test/model:1', 'r.test/model:2'].map(tag =>
      imageOf([tag, `r.test/model@${D1}`], { id }),
    )

    it('is removed with all its tags, each named once', () => {
      const remove = ['r.test/model:1', 'r.test/model:2']
      expect(plan({ images, remove, traits: CRIO })).toEqual({
        steps: [
          {
            kind: 'RemoveImage',
            id,
            names: [...remove, `r.test/model@${D1}`],
            sizeBytes: 1000,
            leftovers: [],
          },
        ],
        decisions: [goes, goes],
      })
    })

    it('is kept when one tag is not removed', () => {
      expect(plan({ images, remove: ['r.test/model:1'], traits: CRIO })).toEqual(
        stays('SharedId', 'r.test/model:2'),
      )
    })

    it('is kept while a container mounts it', () => {
      const containers = [containerOf(id)]
      const remove = ['r.test/model:1', 'r.test/model:2']
      expect(plan({ images, containers, remove, traits: CRIO }).decisions).toMatchObject([
        { reason: 'InUse' },
        { reason: 'InUse' },
      ])
    })
  })

  it('removes leftover containers of an image, and none of another image', () => {
    const images = [imageOf(['r.test/app:1']), imageOf(['r.test/app:2'], { id: OTHER_ID })]
    const left = { ...containerOf(ID, OTHER_ID), id: 'both', leftover: true }
    const other = { ...containerOf(OTHER_ID), id: 'other', leftover: true }
    expect(plan({ images, containers: [left, other], remove: ['r.test/app:1'] }).steps).toMatchObject([
      { id: ID, leftovers: ['both'] },
    ])
  })

  describe('a name without a registry', () => {
    const images = [imageOf(['docker.io/library/nginx:1']), imageOf(['q.test/nginx:1'], { id: OTHER_ID })]
    const shortNames = new Map([['nginx:1', 'q.test/nginx:1']])

    it('means the image that the runtime resolves it to', () => {
      expect(plan({ images, remove: ['nginx:1'], shortNames }).steps).toMatchObject([{ id: OTHER_ID }])
      expect(plan({ images, remove: ['q.test/nginx:1'], keep: ['nginx:1'], shortNames })).toEqual(
        stays('WantedByOthers'),
      )
    })

    it('does not mean an image of Docker Hub when the runtime has no image for it', () => {
      expect(plan({ images, remove: ['nginx:1'], shortNames: new Map([['nginx:1', '']]) })).toEqual(
        stays('NotFound'),
      )
    })
  })

  it('ignores a digest without a repository, as in Docker’s list of artifacts', () => {
    const names = ['r.test/model:1', 'r.test/model:2']
    const images = [imageOf(names, { repoDigests: [ID] })]
    expect(plan({ images, remove: names, traits: DOCKER }).decisions).toEqual([goes, goes])
  })

  it('keeps a digest that Docker’s containerd store lists among the tags, because somebody pulled it', () => {
    const digest = `r.test/app@${D1}`
    const images = [imageOf([], { repoTags: ['r.test/app:1', digest], repoDigests: [digest] })]
    const request = { images, traits: DOCKER }
    expect(plan({ ...request, remove: ['r.test/app:1'] })).toEqual(stays('SharedId', digest))
    expect(plan({ ...request, remove: ['r.test/app:1', digest] }).decisions).toEqual([goes, goes])
  })

  it('treats a digest of another repository as foreign', () => {
    const images = [imageOf(['r.test/app:1', `other.test/app@${D2}`])]
    expect(plan({ images, remove: ['r.test/app:1'], traits: CRIO })).toEqual(
      stays('SharedId', `other.test/app@${D2}`),
    )
  })
})

const NAMES = ['a.test/x:1', 'a.test/x:2', 'b.test/y:1', `a.test/x@${D1}`, `b.test/y@${D1}`, `c.test/z@${D2}`]
const IDS = ['1', '2', '3'].map(digit => `sha256:${digit.repeat(64)}`)
/** Nodes where each name belongs to at most one image. */
const nodes = fc
  .tuple(
    fc.array(fc.constantFrom(...IDS, undefined), { minLength: NAMES.length, maxLength: NAMES.length }),
    fc.subarray(IDS),
  )
  .map(([owners, pinned]) =>
    IDS.map(id =>
      imageOf(
        NAMES.filter((_, index) => owners[index] === id),
        { id, pinned: pinned.length === 1 && pinned.includes(id) },
      ),
    ),
  )
const requests: fc.Arbitrary<RemovalInput> = fc.record({
  images: nodes,
  containers: fc
    .subarray([...IDS, ...NAMES], { maxLength: 2 })
    .map(used => used.map(name => containerOf(name))),
  remove: fc.subarray(NAMES),
  keep: fc.subarray(NAMES),
  traits: fc.constantFrom(CONTAINERD, CRIO, DOCKER),
  shortNames: fc.constant(new Map()),
})

/** The runtime's list after the steps. The CRI removes whole images, containerd's API removes names. */
function after({ images }: RemovalInput, { steps }: ReturnType<typeof planRemoval>): readonly CriImage[] {
  return images.flatMap(image => {
    const step = steps.find(({ id }) => id === image.id)
    if (step === undefined) return [image]
    if (step.kind === 'RemoveImage') return []
    const left = (names: readonly string[]) => names.filter(name => !step.names.includes(name))
    return [{ ...image, repoTags: left(image.repoTags), repoDigests: left(image.repoDigests) }]
  })
}
const namesOf = (images: readonly CriImage[]) =>
  new Set(images.flatMap(({ repoTags, repoDigests }) => [...repoTags, ...repoDigests]))

describe('properties of planRemoval', () => {
  it('removes no name that others want, and no tag that is not requested', () => {
    fc.assert(
      fc.property(requests, request => {
        const left = namesOf(after(request, planRemoval(request)))
        for (const name of namesOf(request.images)) {
          if (request.keep.includes(name)) expect(left).toContain(name)
          if (!name.includes('@') && !request.remove.includes(name)) expect(left).toContain(name)
        }
      }),
    )
  })

  it('removes no image that is used or pinned', () => {
    fc.assert(
      fc.property(requests, request => {
        const used = new Set(request.containers.flatMap(container => container.images))
        const touched = new Set(planRemoval(request).steps.map(({ id }) => id))
        for (const image of request.images.filter(({ id }) => touched.has(id))) {
          expect(image.pinned).toBe(false)
          expect([image.id, ...namesOf([image])].filter(name => used.has(name))).toEqual([])
        }
      }),
    )
  })

  it('removes exactly the references of the plan, and the next plan is empty', () => {
    fc.assert(
      fc.property(requests, request => {
        const result = planRemoval(request)
        const images = after(request, result)
        request.remove.forEach((name, index) => {
          const decision = result.decisions[index]
          const gone = decision?.kind === 'Remove' || decision?.reason === 'NotFound'
          expect(namesOf(images).has(name)).toBe(!gone)
        })
        expect(planRemoval({ ...request, images }).steps).toEqual([])
      }),
    )
  })

  it('removes single names only when the runtime can', () => {
    fc.assert(
      fc.property(requests, request => {
        const { steps } = planRemoval({ ...request, traits: DOCKER })
        expect(steps.filter(({ kind }) => kind === 'RemoveNames')).toEqual([])
      }),
    )
  })
})
