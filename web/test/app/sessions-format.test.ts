import { describe, expect, it } from 'vitest'

import { barColour, bytes, duration, modelName, origin, percent } from '../../src/app/sessions/format'

describe('bar', () => {
  it.each([
    [1, false, 'good'],
    [0.95, false, 'good'],
    [0.9499, false, 'soso'],
    [0.7, false, 'soso'],
    [0.69, false, 'bad'],
    [0, false, 'bad'],
    [0.2, true, 'running'],
    [null, false, 'good']
  ] as const)('of %s, running %s, is %s', (share, running, colour) => expect(barColour(share, running)).toBe(colour))
})

it('says 100 % only of what is complete', () => {
  expect(percent(1, 'en')).toBe('100%')
  expect(percent(0.9999, 'en')).toBe('99%')
  expect(percent(0.29, 'en')).toBe('29%')
  expect(percent(7 / 3, 'en')).toBe('100%')
})

it('says times as people do', () => {
  expect([0.4, 24, 89, 180, 7800, 86400 * 4].map(duration)).toEqual(['0 s', '24 s', '89 s', '3 min', '2 h 10 min', '4 d'])
})

it('says sizes with few digits', () => {
  expect(bytes(12, 'en')).toBe('12 byte')
  expect(bytes(1_550_000_000, 'en')).toBe('1.6 GB')
  expect(bytes(820_400_000, 'en')).toBe('820 MB')
})

it('leaves out what every checkpoint has', () => {
  expect(modelName('sdxl\\photo_v9.safetensors')).toBe('photo_v9')
  expect(modelName('a/b.v2.ckpt')).toBe('b.v2')
})

it('says where a session comes from', () => {
  expect(origin({ theme: 'forest', style: 'dark', template: 'portraits' })).toBe('forest · dark')
  expect(origin({ theme: null, style: null, template: 'portraits' })).toBe('portraits')
})
