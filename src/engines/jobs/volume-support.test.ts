import { expect, it } from 'vitest'
import { T0 } from '../../../test/builders/time.ts'
import { VolumeSupport } from './volume-support.ts'

it('knows of a lost volume for one namespace and one hour', () => {
  const volumes = new VolumeSupport()
  expect(volumes.hasVolumes('team', T0)).toBe(true)
  expect(volumes.noteLost('team', T0)).toBe(true)
  expect(volumes.noteLost('team', T0 + 1_000)).toBe(false)
  expect(volumes.hasVolumes('team', T0 + 3_599_999)).toBe(false)
  expect(volumes.hasVolumes('other', T0)).toBe(true)
  expect(volumes.hasVolumes('team', T0 + 3_600_000)).toBe(true)
  expect(volumes.noteLost('team', T0 + 3_600_000)).toBe(true)
})
