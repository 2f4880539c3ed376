import { describe, expect, it } from 'vitest'
import { hosts, objectName, socketPath } from './text-flags.ts'

describe('socketPath', () => {
  const { parse } = socketPath(['cri-socket-path', ''])

  it.each([
    ['', ''],
    ['/run/containerd/containerd.sock', '/run/containerd/containerd.sock'],
    ['unix:///run/crio/crio.sock', '/run/crio/crio.sock'],
    ['/var/run/..data/a..b/.sock', '/var/run/..data/a..b/.sock'],
  ])('takes %j', (given, path) => {
    expect(parse(given)).toBe(path)
  })

  it.each([
    'foo',
    '/',
    '/x.sock',
    '//x.sock',
    '/./x.sock',
    '/run/',
    '/run/../x.sock',
    '/run/x/..',
    'unix://',
    'unix:///x.sock',
    'unix://run/x.sock',
    'unix:///run/../x.sock',
    'https:///run/x.sock',
    '/run/a.sock,/run/b.sock',
    '/run/a.sock /run/b.sock',
    '/run/a:b/x.sock',
    ' /run/x.sock',
  ])('refuses %j', given => {
    expect(() => parse(given)).toThrow(
      `--cri-socket-path: ${JSON.stringify(given)} is not accepted; it takes one absolute path of a socket that does not lie in /, such as /run/containerd/containerd.sock`,
    )
  })
})

describe('hosts', () => {
  const { parse } = hosts(['insecure-registries', ''])

  it.each([
    ['', []],
    ['lab:5000', ['lab:5000']],
    ['a.test, 10.0.0.1:80  [::1]:5000,', ['a.test', '10.0.0.1:80', '[::1]:5000']],
  ])('takes %j', (given, entries) => {
    expect(parse(given)).toEqual(entries)
  })

  it.each([
    'host:99999',
    'host:0',
    'host:',
    ':5000',
    'http://lab:5000',
    'lab:5000/path',
    'user@lab',
    '1.2.3.400',
    '[::::]',
    '::1',
    'ho_st',
    '-host',
  ])('refuses %j', given => {
    expect(() => parse(`good:5000,${given}`)).toThrow(
      `--insecure-registries: ${JSON.stringify(given)} is not accepted; it takes host or host:port`,
    )
  })
})

describe('objectName', () => {
  const { parse } = objectName(['service-account-name', ''])

  it.each(['', 'a', 'puller', '0.a-b.c', 'a'.repeat(253)])('takes %j', given => {
    expect(parse(given)).toBe(given)
  })

  it.each(['Foo_Bar', 'a..b', '.a', 'a-', 'a.-b', 'a b', 'ä', 'a'.repeat(254)])('refuses %j', given => {
    expect(() => parse(given)).toThrow('is not accepted; it takes a name: lower-case letters')
  })
})
