import { describe, expect, it } from 'vitest'

import { allTags, chips, mostFirst, noFilters, readFilters, tagged, toggled, whole, without, writeFilters } from '../../src/app/sessions/filters'

describe('filters and the address', () => {
  it('list names with most first, then as people sort them', () => {
    const counts = { z: 1, été: 1, Etat: 1, v10: 1, v9: 1, '7': 1, rare: 0, much: 5 }
    expect(mostFirst(counts).map(([name]) => name)).toEqual(['much', '7', 'Etat', 'été', 'v9', 'v10', 'z', 'rare'])
  })

  it('are nothing at the start', () => {
    expect(writeFilters(noFilters())).toBe('')
    expect(readFilters('')).toEqual(noFilters())
  })

  it('come back as they were, whatever is in their names', () => {
    const filters = {
      ...noFilters(),
      text: 'été & "neon"=1',
      date: '2026-01-01..2026-02-03',
      any_tags: ['à revoir', 'a&b', '50 %'],
      no_tags: ['done'],
      status: ['aborted', 'unknown'],
      theme: ['', 'cyber,punk'],
      rating: ['none', 'like'],
      favourite: true,
      test: false,
      images_min: 0,
      images_max: 3576,
      sort: '-completion'
    }
    expect(readFilters(writeFilters(filters))).toEqual(filters)
  })

  it('are what the route takes: a list is given several times', () => {
    expect(writeFilters({ ...noFilters(), model: ['a', 'b'], sweep: true })).toBe('model=a&model=b&sweep=true')
  })

  it('are not set where an address says them wrongly', () => {
    expect(readFilters('favourite=perhaps&images_min=-3&images_max=1.5&sort=colour&nothing=1')).toEqual(noFilters())
  })

  it('have each name once', () => {
    expect(readFilters('theme=a&theme=a').theme).toEqual(['a'])
  })
})

describe('chips', () => {
  it('are one for each filter, and take away only theirs', () => {
    const filters = { ...noFilters(), text: ' cat ', status: ['aborted', 'ongoing'], images_max: 10, favourite: false, sort: 'name' }
    const set = chips(filters)
    expect(set.map(({ field, value }) => `${field} ${value}`)).toEqual(['text cat', 'images 0–10', 'status aborted', 'status ongoing', 'favourite false'])
    const left = set.reduce(without, filters)
    expect(left).toEqual({ ...noFilters(), sort: 'name' })
    expect(without(filters, { field: 'status', value: 'aborted' }).status).toEqual(['ongoing'])
  })
})

describe('tags', () => {
  it('are wanted, unwanted, or neither; never both', () => {
    let filters = tagged(noFilters(), 'red', 'any_tags')
    expect(filters.any_tags).toEqual(['red'])
    filters = tagged(filters, 'red', 'no_tags')
    expect([filters.any_tags, filters.no_tags]).toEqual([[], ['red']])
    expect(tagged(filters, 'red', 'no_tags')).toEqual(noFilters())
  })

  it('can all be wanted, and again any of them', () => {
    const filters = { ...noFilters(), any_tags: ['a', 'b'] }
    const all = allTags(filters, true)
    expect([all.tags, all.any_tags]).toEqual([['a', 'b'], []])
    expect(allTags(all, false)).toEqual(filters)
  })
})

it('puts a name into a list and takes it out again', () => {
  const once = toggled(noFilters(), 'sampler', 'euler')
  expect(once.sampler).toEqual(['euler'])
  expect(toggled(once, 'sampler', 'euler')).toEqual(noFilters())
})

it('knows whole numbers only', () => {
  expect(['', ' 12 ', '-1', '1e3', '0', '9'.repeat(20)].map(whole)).toEqual([null, 12, null, null, 0, null])
})
