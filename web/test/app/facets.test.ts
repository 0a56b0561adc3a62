import { describe, expect, it } from 'vitest'

import type { Facets } from '../../src/app/api'
import {
  type Choice,
  clicked,
  fitting,
  groupCleared,
  groups,
  onlyUnjudged,
  seedList,
  seedsOf,
  speaks,
  turnKo,
  turnUnjudged,
  withoutKo,
  withSeeds
} from '../../src/app/images/facets'

const value = (key: string, images: number, more: object = {}): object => ({ key, text: key, images, ok: 0, partial: 0, ko: 0, no_effect: 0, unintended: 0, ...more })
const count = (name: string, images = 1): object => ({ name, label: name.toUpperCase(), images })
const FOUND = {
  total: 9,
  placeholders: [
    { name: 'Hair', known: 3, values: [value('Red', 5, { ok: 2, ko: 1, no_effect: 1 }), value('Blue', 4), value('Green', 0)] },
    { name: 'model', known: 1, values: [value('x', 1)] },
    { name: 'Hair colour', known: 1, values: [value('x', 1)] }
  ],
  groups: {
    model: [count('dream')],
    sampler: [],
    scheduler: [],
    theme: [count('')],
    style: [],
    template: [],
    session: [count('s1')],
    tag: [count('poster')],
    rating: ['0', '1', '2', '3', '4', '5'].map((name) => count(name)),
    classes: ['none', 'success', 'partial', 'failed'].map((name) => count(name, 3)),
    flag: [count('favourite', 2), count('portrait', 3)]
  }
} as unknown as Facets
const WORDS = { flag: (name: string) => name, stars: (rating: number) => String(rating), machineClass: (name: string) => name }

describe('the filters', () => {
  const made = groups(FOUND, false, WORDS)
  const group = (id: string) => made.find((one) => one.id === id)
  const choice = (id: string, at: number): Choice => made.find((one) => one.id === id)?.choices[at] ?? (undefined as never)

  it('are what the library has, and nothing that cannot be chosen', () => {
    expect(made.map(({ id }) => id)).toEqual(['mark', '@Hair', '@model', '@Hair colour', 'rating', 'class', 'state', 'tag', 'model', 'session'])
    const unscored = { ...FOUND, groups: { ...FOUND.groups, classes: [count('none', 9), count('failed', 0)] } } as unknown as Facets
    expect(groups(unscored, false, WORDS).map(({ id }) => id)).not.toContain('class')
    expect(groups(FOUND, true, WORDS).some(({ id }) => id === 'session')).toBe(false)
    expect(choice('@Hair', 0).verdicts).toEqual({ ok: 2, partial: 0, ko: 2 })
    expect(clicked('', choice('@Hair colour', 0), true)).toMatch(/^-@"Hair colour":/)
    expect(group('state')?.choices.map(({ label }) => label)).toEqual(['failed', 'portrait'])
  })

  it('are or within a placeholder, and between them', () => {
    let text = clicked('', choice('@Hair', 0), false)
    text = clicked(text, choice('@Hair', 1), false)
    text = clicked(text, choice('@model', 0), false)
    text = clicked(text, choice('mark', 0), false)
    expect(text).toBe('Hair:Red,Blue @model:x is:favourite')
    text = clicked(text, choice('@Hair', 1), true)
    expect(text).toBe('Hair:Red @model:x is:favourite -Hair:Blue')
    expect(speaks(text, made[1] as never)).toBe(true)
    expect(groupCleared(text, made[1] as never)).toBe('@model:x is:favourite')
    expect(clicked('is:failed', choice('mark', 1), false)).toBe('is:failed is:interesting')
  })

  it('show what is chosen first, and can be searched', () => {
    const choices = group('@Hair')?.choices ?? []
    expect(fitting(choices, '', 'Hair:Green').map(({ label }) => label)).toEqual(['Green', 'Red', 'Blue'])
    expect(fitting(choices, 'RE', '').map(({ label }) => label)).toEqual(['Red', 'Green'])
  })

  it('leave out what came out wrong, and what was looked at', () => {
    expect(turnKo('neon')).toBe('neon -verdict:ko')
    expect(withoutKo('neon -verdict:ko')).toBe(true)
    expect(turnKo('neon -verdict:ko')).toBe('neon')
    const text = turnUnjudged('is:portrait')
    expect(text).toBe('is:portrait -is:judged,marked,failed')
    expect(onlyUnjudged(text)).toBe(true)
    expect(turnUnjudged(text)).toBe('is:portrait')
  })

  it('take seeds as people type them', () => {
    expect(seedList('42, 100..199 >=5')).toEqual(['42', '100..199', '>=5'])
    expect(seedList('x')).toBeNull()
    expect(withSeeds('a seed:1', ['5', '7..'])).toBe('a seed:5,7..')
    expect(seedsOf('a seed:5,7.. -seed:6')).toEqual(['5', '7..'])
    expect(withSeeds('a seed:5', [])).toBe('a')
  })
})
