import { describe, expect, it } from 'vitest'

import { barColour, modelName, origin } from '../../src/app/sessions/format'

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

it('leaves out what every checkpoint has', () => {
  expect(modelName('sdxl\\photo_v9.safetensors')).toBe('photo_v9')
  expect(modelName('a/b.v2.ckpt')).toBe('b.v2')
})

it('says where a session comes from', () => {
  expect(origin({ theme: 'forest', style: 'dark', template: 'portraits' })).toBe('forest · dark')
  expect(origin({ theme: null, style: null, template: 'portraits' })).toBe('portraits')
})
