import { describe, expect, it } from 'vitest'

import { duration, LANGUAGES, number, type Texts, textsIn } from '../src/texts'

const texts = Object.entries(LANGUAGES)

describe.each(texts)('%s', (language, table) => {
  it('has the states, modes and actions that the server knows', () => {
    expect(Object.keys(table.state).sort()).toEqual(['completed', 'failed', 'paused', 'planned', 'running', 'stopped'])
    expect(Object.keys(table.mode).sort()).toEqual(['combinatorial', 'random'])
    expect(Object.keys(table.action).sort()).toEqual(['complete', 'extended'])
  })

  it('says every number that it is given', () => {
    expect(table.progress(12, 48)).toMatch(/12.*48/)
    expect(table.combinationsOf(3, 5)).toMatch(/3.*5/)
    expect(table.images(12345)).toContain(number(12345, language))
    expect(table.oneImage('7', 'fruit')).toMatch(/7.*fruit/)
  })

  it('has one image and many images', () => {
    expect(table.images(1)).not.toBe(table.images(2).replace('2', '1'))
  })
})

it('is really translated', () => {
  const { en, fr } = LANGUAGES as { en: Texts; fr: Texts }
  const same = (Object.keys(en) as (keyof Texts)[]).filter((key) => typeof en[key] === 'string' && en[key] === fr[key])
  expect(same).toEqual(['pause'])
})

it('falls back to English and ignores regions', () => {
  expect(textsIn('fr-CA')).toBe(LANGUAGES.fr)
  expect(textsIn('zh-TW')).toBe(LANGUAGES.en)
  expect(textsIn('')).toBe(LANGUAGES.en)
})

it.each([
  [0, '0 s'],
  [89.4, '89 s'],
  [90, '2 min'],
  [3600, '60 min'],
  [5400, '1 h 30 min'],
  [7860, '2 h 11 min']
])('%d seconds are %s', (seconds, text) => {
  expect(duration(seconds, textsIn('en'))).toBe(text)
})
