import { describe, expect, it } from 'vitest'
import type { ImageCacheStatus } from '../../api/image-cache.ts'
import { eventMessage } from './event-message.ts'

const failure = (reason: string) => ({ node: 'n1', reason, message: 'words' })

const CASES: readonly { name: string; status: ImageCacheStatus; message: string }[] = [
  {
    name: 'counts images and nodes',
    status: { message: 'All pulled', summary: { images: '3/3', nodes: '2/2' } },
    message: 'All pulled (images 3/3, nodes 2/2)',
  },
  {
    name: 'names the three most frequent reasons and counts the others',
    status: {
      message: 'Image pull failed',
      summary: { images: '0/4', nodes: '0/2' },
      failures: {
        'r.test/a:1': [failure('ImageNotFound'), failure('ImageNotFound'), failure('ImageNotFound')],
        'r.test/b:1': [
          failure('Timeout'),
          failure('Timeout'),
          failure('RateLimited'),
          failure('RateLimited'),
        ],
        'r.test/c:1': [failure('PullFailed')],
      },
      moreFailures: 5,
    },
    message:
      'Image pull failed (images 0/4, nodes 0/2, failures: ImageNotFound 3, Timeout 2, RateLimited 2, others 6)',
  },
  {
    name: 'counts images that a purge leaves',
    status: {
      message: 'Deleted',
      summary: { images: '0/0', nodes: '0/0' },
      kept: [{ image: 'r.test/a:1', reason: 'InUse', count: 2, examples: ['n1'] }],
    },
    message: 'Deleted (images 0/0, nodes 0/0, kept on nodes: 2)',
  },
  { name: 'is the sentence alone without counts', status: { message: 'Deleted' }, message: 'Deleted' },
]

describe('eventMessage', () => {
  it.each(CASES)('$name', ({ status, message }) => {
    expect(eventMessage(status)).toBe(message)
  })
})
