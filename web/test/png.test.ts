import { expect, it } from 'vitest'

import { pngTexts, savedWorkflow } from '../src/png'

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

function chunk(kind: string, content: number[]): number[] {
  const { length } = content
  return [length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255, ...ascii(kind), ...content, 0, 0, 0, 0]
}

const ascii = (text: string): number[] => Array.from(text, (char) => char.charCodeAt(0))
const utf8 = (text: string): number[] => [...new TextEncoder().encode(text)]
const text = (key: string, value: string): number[] => chunk('tEXt', [...ascii(key), 0, ...ascii(value)])
const itxt = (key: string, value: string): number[] => chunk('iTXt', [...ascii(key), 0, 0, 0, 0, 0, ...utf8(value)])
const png = (...chunks: number[][]): Uint8Array<ArrayBuffer> => Uint8Array.from([...SIGNATURE, ...chunks.flat()])

it('reads Latin-1 and UTF-8 texts', () => {
  const texts = pngTexts(png(chunk('IHDR', [1, 2, 3]), text('a', 'caf\u00e9'), itxt('b', 'naïve — 猫'), chunk('IEND', [])).buffer)
  expect([...texts]).toEqual([
    ['a', 'café'],
    ['b', 'naïve — 猫']
  ])
})

it('stands what is no PNG, or cut off', () => {
  expect(pngTexts(new ArrayBuffer(0)).size).toBe(0)
  expect(pngTexts(Uint8Array.from(ascii('GIF89a not a png')).buffer).size).toBe(0)
  const whole = png(text('a', 'x'), text('b', 'yyyyyyyy'))
  for (let length = 0; length < whole.length; length++) {
    expect([...pngTexts(whole.slice(0, length).buffer).keys()].every((key) => key === 'a' || key === 'b')).toBe(true)
  }
})

it('finds the workflow of an image of a session only', async () => {
  const file = (bytes: Uint8Array<ArrayBuffer>, type = 'image/png'): Blob => new Blob([bytes], { type })
  const ours = png(text('parameters', 'a cat'), text('workflow', '{"nodes": []}'), text('sdgen', '{}'))
  expect(await savedWorkflow(file(ours))).toEqual({ nodes: [] })
  expect(await savedWorkflow(file(ours, 'image/webp'))).toBeNull()
  expect(await savedWorkflow(file(png(text('workflow', '{"nodes": []}'))))).toBeNull()
  expect(await savedWorkflow(file(png(text('workflow', '{broken'), text('sdgen', '{}'))))).toBeNull()
})
