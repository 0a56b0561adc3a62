import { describe, expect, it } from 'vitest'

import { behindSum, both, judgedSo, ofModel, ofPeriod, ofPlaceholder, pairJudged, someJudged, toJudge, withValue } from '../../src/app/statistics/links'
import { asked, beside, COLUMNS, fileOf, nextSort, type PairRow, readTable, type Session, sorted, type Success, TABLES, writeTable } from '../../src/app/statistics/tables'
import { textsIn } from '../../src/app/texts'

const EVERY = 'is:trash,missing,broken,landscape,portrait,square'

// That these queries find as many images as the server counts is tested with it: tests/unit/server/test_gallery_compare.py.
describe('the images behind a number', () => {
  it('count as the statistics do: with the trash, and files that are gone', () => {
    expect(withValue('Hair', 'Red')).toBe(`@Hair:Red ${EVERY}`)
    expect(judgedSo('Hair', 'Red', 'ko')).toBe('@Hair:Red verdict:Hair=ko is:judged,trash,missing')
    expect(judgedSo('Hair', 'Red', 'ok,partial,ko')).toBe('@Hair:Red verdict:Hair=ok,partial,ko is:judged,trash,missing')
    expect(behindSum('images')).toBe(`${EVERY} -is:missing`)
    expect(behindSum('gone')).toBe('is:missing is:missing,trash')
    expect(behindSum('favourites')).toBe('is:favourite is:favourite,trash,missing')
    expect(behindSum('bytes')).toBe('')
  })

  it('name values as they are called', () => {
    expect(withValue('Hair', 'dark "red", wet')).toBe(`@Hair:"dark \\"red\\", wet" ${EVERY}`)
    expect(ofModel('dream v8')).toBe(`model:"dream v8" ${EVERY}`)
    expect(ofModel('')).toBe('')
  })

  it('of a pair have both verdicts', () => {
    const pair = { first_placeholder: 'Hair', first_key: 'Red', second_placeholder: 'Coat', second_key: 'Fur' } as PairRow
    expect(pairJudged(pair, 'ko', 'ko')).toBe('@Hair:Red verdict:Hair=ko @Coat:Fur verdict:Coat=ko is:judged,trash,missing')
  })

  it('of a week are those from its Monday to its Sunday', () => {
    expect(ofPeriod('2026-W48')).toBe(`date:2026-11-23..2026-11-29 ${EVERY}`)
    expect(ofPeriod('2026-W01')).toBe(`date:2025-12-29..2026-01-04 ${EVERY}`)
    expect(ofPeriod('2020-W53')).toBe(`date:2020-12-28..2021-01-03 ${EVERY}`)
    expect(ofPeriod('2026-11')).toBe(`date:2026-11 ${EVERY}`)
  })

  it('of a group are those with some verdict, of what is needed those without', () => {
    expect(someJudged(ofModel('dream'), 'ko')).toBe(`model:dream ${EVERY} verdict:ko`)
    expect(someJudged(ofModel(''), 'ko')).toBe('')
    expect(toJudge('wet hair', 'Red')).toBe('@"wet hair":Red verdict:"wet hair"=none')
    expect(ofPlaceholder('Hair')).toBe(`verdict:Hair=none,ok,partial,ko,no-effect,unintended ${EVERY}`)
  })

  it('are asked for beside what is asked already', () => {
    expect(both('is:favourite ', '@Hair:Red')).toBe('is:favourite @Hair:Red')
    expect(both('', '@Hair:Red')).toBe('@Hair:Red')
  })
})

describe('the tables', () => {
  it('are in the address, and nonsense is the overview', () => {
    for (const table of TABLES)
      for (const period of ['day', 'week', 'month'] as const) {
        const shown = { table, sort: table === 'overview' ? '' : `-${COLUMNS[table][0]?.name ?? ''}`, period }
        expect(readTable(writeTable(shown))).toEqual(shown)
      }
    expect(writeTable({ table: 'overview', sort: '', period: 'week' })).toBe('')
    expect(readTable('nothing:-there:ever')).toEqual({ table: 'overview', sort: '', period: 'week' })
    expect(readTable('values:-password').sort).toBe('')
  })

  it('are files of both forms', () => {
    const shown = { table: 'time', sort: '', period: 'month' } as const
    expect(fileOf(shown, 'is:favourite', 'csv')).toBe('/sdgen/statistics/groups?form=csv&q=is%3Afavourite&by=month')
    expect(fileOf({ ...shown, table: 'values' }, '', 'json')).toBe('/sdgen/statistics/values?')
  })

  it('stand beside another one where there is room', () => {
    expect(beside({ table: 'overview', sort: '', period: 'day' })).toEqual({ table: 'failing', sort: '', period: 'day' })
    for (const table of TABLES) expect(beside({ table, sort: 'ok', period: 'week' }).table).not.toBe(table)
  })

  it('are asked for by the names of the server', () => {
    expect(asked('models', 'week')).toEqual({ name: 'groups', by: 'model' })
    expect(asked('time', 'month')).toEqual({ name: 'groups', by: 'month' })
    expect(asked('impact-values', 'week')).toEqual({ name: 'impact-values', by: null })
  })

  it('are sorted by any column, what is not known last either way', () => {
    const rows = [{ text: 'b10', rate: 0.5 }, { text: 'b9', rate: null }, { text: 'a', rate: 0.9 }] // prettier-ignore
    const by = (sort: string): string[] => sorted(rows, sort).map(({ text }) => text)
    expect([by('rate'), by('-rate'), by('text'), by('')]).toEqual([
      ['b10', 'a', 'b9'],
      ['a', 'b10', 'b9'],
      ['a', 'b9', 'b10'],
      ['b10', 'b9', 'a']
    ])
    const rate = COLUMNS.values.find(({ name }) => name === 'rate')
    const text = COLUMNS.values.find(({ name }) => name === 'text')
    if (!rate || !text) throw new Error('columns')
    expect(['', '-rate', 'rate'].map((sort) => nextSort(sort, rate))).toEqual(['-rate', 'rate', ''])
    expect(['other', 'text', '-text'].map((sort) => nextSort(sort, text))).toEqual(['text', '-text', ''])
  })

  it('have words for everything in both languages', async () => {
    for (const language of ['en', 'fr']) {
      const { stats } = await textsIn(language)
      for (const table of TABLES) {
        expect(stats.help(table)).not.toBe(table)
        expect(stats.table(table)).not.toBe(table)
        if (table !== 'overview') for (const { name } of COLUMNS[table]) expect(stats.column(name)).not.toBe(name)
      }
    }
  })

  it('open the images behind every number', () => {
    const value = { placeholder: 'Hair', key: 'Red', group: null } as Success
    const leads = (table: 'values' | 'models' | 'sessions', row: Success | Session): string[] =>
      COLUMNS[table].filter(({ query }) => query?.(row as never)).map(({ name }) => name)
    expect(leads('values', value)).toEqual(['text', 'rate', 'needs', 'judged', 'ok', 'partial', 'ko', 'no_effect', 'unintended', 'images'])
    expect(leads('models', { ...value, placeholder: null, key: null, group: 'dream' })).toEqual(['group', 'rate', 'judged', 'ok', 'partial', 'ko', 'images'])
    expect(leads('sessions', { slug: 'one', model: '' } as Session)).toEqual(['name', 'images', 'gone', 'judged', 'favourites', 'interesting', 'trash', 'failed', 'rated', 'bytes'])
  })
})
