import { describe, expect, test } from 'vitest'
import { AddressGuard } from './address-guard.ts'

const SERVICES = /^10\.96\./
const guard = new AddressGuard({
  blocked: address => SERVICES.test(address) || address === 'fd00::1',
  loopbackHosts: new Set(['lab:5000']),
})

describe('AddressGuard', () => {
  test.each([
    '8.8.8.8',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '2606:4700::6810:84e5',
    'fd12:3456::1',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
  ])('allows %s', address => {
    expect(guard.allows(address, 'registry.test')).toBe(true)
  })

  test.each([
    ['loopback', '127.0.0.1'],
    ['loopback', '127.255.0.3'],
    ['loopback', '::1'],
    ['loopback, wrapped', '::ffff:127.0.0.1'],
    ['loopback, wrapped', '::FFFF:7F00:1'],
    ['loopback, wrapped', '0:0:0:0:0:ffff:7f00:0001'],
    ['loopback, translated', '::ffff:0:127.0.0.1'],
    ['loopback, IPv4-compatible', '::127.0.0.1'],
    ['loopback through NAT64', '64:ff9b::7f00:1'],
    ['loopback through NAT64', '64:ff9b:1::127.0.0.1'],
    ['loopback through 6to4', '2002:7f00:1::'],
    ['Teredo', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ['link-local', '169.254.169.254'],
    ['link-local, wrapped', '::ffff:a9fe:a9fe'],
    ['link-local through NAT64', '64:ff9b::a9fe:a9fe'],
    ['link-local', 'fe80::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['link-local', 'febf::1'],
    ['unspecified', '0.0.0.0'],
    ['unspecified', '::'],
    ['multicast', '224.0.0.1'],
    ['multicast', 'ff02::1'],
    ['broadcast', '255.255.255.255'],
    ['metadata of AWS', 'fd00:ec2::254'],
    ['metadata of Alibaba Cloud', '100.100.100.200'],
    ['platform of Azure', '168.63.129.16'],
    ['metadata of Oracle Cloud', '192.0.0.192'],
    ['a Service', '10.96.0.1'],
    ['a Service, wrapped', '::ffff:10.96.0.1'],
    ['a Service, wrapped', '::ffff:a60:1'],
    ['a Service through NAT64', '64:ff9b::10.96.0.1'],
    ['a Service in another spelling', 'FD00:0::0:1'],
    ['no address', 'localhost'],
    ['no address', ''],
    ['no address', '[::1]'],
  ])('refuses %s: %s', (_, address) => {
    expect(guard.allows(address, 'registry.test')).toBe(false)
  })

  test('allows only loopback in addition for the named hosts', () => {
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      expect(guard.allows(address, 'lab:5000')).toBe(true)
      expect(guard.allows(address, 'lab:5001')).toBe(false)
    }
    expect(guard.allows('169.254.169.254', 'lab:5000')).toBe(false)
    expect(guard.allows('10.96.0.1', 'lab:5000')).toBe(false)
  })
})
