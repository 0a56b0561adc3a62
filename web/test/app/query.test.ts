import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import {
  asks,
  begun,
  clauses,
  cleared,
  columnOf,
  completed,
  FIELDS,
  fieldOf,
  including,
  meaningOf,
  mended,
  quoted,
  SORTS,
  type Target,
  toggled,
  typing,
  valueNames,
  without
} from '../../src/app/images/query-text'

/** The same numbers every time. */
function random(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed / 2 ** 32
  }
}

const PIECES = [
  'Hair:Red',
  'Hair:Red,Blue',
  '-Hair:"dark, wet"',
  '@model:x',
  'model:dream*',
  'is:favourite',
  '-is:judged,marked',
  'verdict:Hair=ko,partial',
  'score:Hair<0.5',
  'seed:100..199',
  '"wet street"*',
  'neon',
  '-blurry',
  'sort:-rating',
  'Coat:a=b,c',
  'tag:"a \\" b"',
  'Hair:',
  'über:weiß',
  '"open',
  ',',
  'x"y z"',
  '  ',
  '\t'
]
const VALUES = ['Red', 'dark, wet', 'a "b" \\', 'x=1', '=y', 'weiß', 'v*', '-z']
const TARGETS: Target[] = [
  { field: 'Hair' },
  { field: '@model' },
  { field: 'model' },
  { field: 'is', family: ['favourite', 'interesting', 'trash', 'Red'] },
  { field: 'verdict', name: 'Hair' }
]

function* texts(count: number): Generator<string> {
  const next = random(7)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)] as T
  for (let n = 0; n < count; n++) yield Array.from({ length: Math.floor(next() * 6) }, () => pick(PIECES)).join(next() < 0.8 ? ' ' : '')
}

/** What a text says besides a target: its other clauses as they are typed, and what cannot be read. */
function others(text: string, target: Target): string[] {
  const read = clauses(text)
  const said = read.clauses.filter(
    (clause) => clause.field.replace(/^@/, '') !== target.field.replace(/^@/, '') || clause.name !== (target.name ?? '') || clause.field === ''
  )
  const rest = read.unread < 0 ? [] : [text.slice(read.unread).trim()]
  return [...said.map(({ start, end }) => text.slice(start, end)), ...rest]
}

describe('the text of a query', () => {
  it('knows the fields and the sort keys of the server', () => {
    const source = readFileSync(join(import.meta.dirname, '../../../sdgen_core/catalog/query.py'), 'utf-8')
    const table = source.slice(source.indexOf('FIELDS = _table('), source.indexOf('SORTS = ('))
    expect([...table.matchAll(/FieldSpec\("(\w+)"/g)].map(([, name]) => name)).toEqual([...FIELDS])
    const sorts = source.slice(source.indexOf('SORTS = ('), source.indexOf('_SORT ='))
    expect([...sorts.matchAll(/"(\w+)"/g)].map(([, name]) => name)).toEqual([...SORTS])
  })

  it('is read in clauses with their places', () => {
    const text = 'Hair:Red,"dark, wet" -is:failed verdict:Coat=ko "wet street" neon'
    expect(clauses(text).clauses.map(({ field, name, values, negate }) => [field, name, values, negate])).toEqual([
      ['Hair', '', ['Red', 'dark, wet'], false],
      ['is', '', ['failed'], true],
      ['verdict', 'Coat', ['ko'], false],
      ['', '', ['wet street'], false],
      ['', '', ['neon'], false]
    ])
    expect(clauses('Hair:Red "open')).toMatchObject({ unread: 8 })
  })

  it('takes a value in and out, and nothing else of it changes', () => {
    let seen = 0
    for (const text of texts(200))
      for (const target of TARGETS)
        for (const value of VALUES.filter((one) => target.family?.includes(one) ?? true))
          for (const negate of [false, true]) {
            const now = asks(text, target, value)
            const after = toggled(text, target, negate, value)
            expect(asks(after, target, value), `${text} | ${after}`).toBe(now === (negate ? 'no' : 'yes') ? '' : negate ? 'no' : 'yes')
            expect(others(after, target), `${text} | ${after}`).toEqual(others(text, target))
            const back = without(after, target, value)
            expect(asks(back, target, value)).toBe('')
            expect(others(back, target)).toEqual(others(text, target))
            seen++
          }
    expect(seen).toBeGreaterThan(10_000)
  }, 30_000)

  it('keeps the other values of a clause as they are typed', () => {
    expect(toggled('Hair:"Red",blu* neon', { field: 'Hair' }, false, 'Green')).toBe('Hair:"Red",blu*,Green neon')
    expect(without('a Hair:"Red",blu* b', { field: 'Hair' }, 'red')).toBe('a Hair:blu* b')
    expect(without('a Hair:Red b', { field: 'Hair' }, 'Red')).toBe('a b')
    expect(without('"a"Hair:Red"b"', { field: 'Hair' }, 'Red"b"')).toBe('"a"Hair:Red"b"')
    expect(cleared('Hair:Red -Hair:Blue is:failed', { field: 'Hair' })).toBe('is:failed')
  })

  it('turns a value from wanted to excluded', () => {
    expect(toggled('Hair:Red,Blue', { field: 'Hair' }, true, 'Red')).toBe('Hair:Blue -Hair:Red')
    expect(toggled('-Hair:Red', { field: 'Hair' }, false, 'Red')).toBe('Hair:Red')
  })

  it('adds clauses of flags that belong together, and leaves others alone', () => {
    const marks = { field: 'is', family: ['favourite', 'interesting', 'trash'] }
    expect(including('is:failed', marks, false, 'favourite')).toBe('is:failed is:favourite')
    expect(including('is:failed is:favourite', marks, false, 'trash')).toBe('is:failed is:favourite,trash')
  })

  it('writes what can be read again', () => {
    for (const value of VALUES) expect(clauses(`Hair:${quoted(value)}`).clauses[0]?.values).toEqual([value])
    expect(including('"open', { field: 'Hair' }, false, 'Red')).toBe('Hair:Red "open')
    expect(fieldOf('model')).toBe('@model')
    expect(fieldOf('Hair color')).toBe('@"Hair color"')
    expect(valueNames('d41d8cd9', 'red hair')).toEqual(['red hair', 'd41d8cd9'])
    expect(valueNames('Red', 'a very red hair')).toEqual(['Red', 'a very red hair'])
  })

  it('puts names that are no plain words in quotes, and knows them again', () => {
    for (const name of ['wet hair', 'wet-hair', 'v1.2', 'say "hi": \\', 'a,b', 'e\u0301te\u0301', 'épée', '2nd', 'seed', 'sort']) {
      const target = { field: fieldOf(name) }
      const said = including('neon', target, true, 'dark, wet')
      expect(clauses(said)).toMatchObject({ unread: -1, clauses: [{ values: ['neon'] }, { negate: true, values: ['dark, wet'] }] })
      expect(asks(said, target, 'Dark, wet')).toBe('no')
      expect(asks(said, { field: 'Hair' }, 'dark, wet')).toBe('')
      expect(without(said, target, 'dark, wet')).toBe('neon')
      const judged = including('', { field: 'verdict', name }, false, 'ko')
      expect(clauses(judged).clauses).toMatchObject([{ field: 'verdict', name, values: ['ko'] }])
      expect(including(judged, { field: 'verdict', name }, false, 'ok')).toBe(`${judged},ok`)
    }
    expect(fieldOf('épée')).toBe('épée')
    expect(asks('"wet hair":Red', { field: '@"wet hair"' }, 'Red')).toBe('yes')
    expect(asks('sort:-rating', { field: fieldOf('sort') }, '-rating')).toBe('')
    expect(typing('@"wet hair":R', 13)).toMatchObject({ field: '@"wet hair"', text: 'R', start: 12 })
    expect(meaningOf('"wet hair"')).toBe('@wet hair')
    expect(completed('@"a: b":R', typing('@"a: b":R', 9), '@"a: b":Red').text).toBe('@"a: b":Red')
  })

  it('leaves out what is only begun', () => {
    const cases: Record<string, string> = {
      'neon seed:': 'neon',
      'seed:>': '',
      'Hair:Red,': 'Hair:Red',
      'verdict:Hair=': '',
      'verdict:"wet hair"=': '',
      'neon -': 'neon',
      'neon "wet str': 'neon',
      '@"wet hair":': '',
      'seed:1..': 'seed:1..',
      'Hair:Red ': 'Hair:Red',
      'Hair:a=b "wet street"': 'Hair:a=b "wet street"'
    }
    for (const [typed, wanted] of Object.entries(cases)) expect(begun(typed), typed).toBe(wanted)
  })

  it('puts a name that is known in place of the wrong one', () => {
    expect(mended('neon is:marked,favorite', 'is:favorite is not known. Did you mean…', 'favourite')).toBe('neon is:marked,favourite')
    expect(mended('verdict:Hair=bad', "'bad' is no verdict", 'ko')).toBe('verdict:Hair=ko')
    expect(mended('sort:-ratng', 'sort:-ratng is not known', 'rating')).toBe('sort:-rating')
    expect(mended('neon', 'is:favorite is not known', 'favourite')).toBeNull()
  })

  it('knows what is being typed', () => {
    const at = (text: string): unknown => {
      const { field, text: typed, start } = typing(text, text.length)
      return [field, typed, start]
    }
    expect(at('Ha')).toEqual(['', 'Ha', 0])
    expect(at('neon -Ha')).toEqual(['', 'Ha', 6])
    expect(at('Hair:')).toEqual(['Hair', '', 5])
    expect(at('Hair:Red,"dark, w')).toEqual(['Hair', '"dark, w', 9])
    expect(at('verdict:Hair=k')).toEqual(['verdict', 'k', 13])
    expect(completed('a Ha b', typing('a Ha b', 4), 'Hair:')).toEqual({ text: 'a Hair: b', caret: 7 })
    expect(completed('Hair:Red,bl', typing('Hair:Red,bl', 11), 'Hair:Blue')).toEqual({ text: 'Hair:Red,Blue', caret: 13 })
    expect(columnOf("column 9: '\"open' cannot be read")).toBe(9)
  })
})
