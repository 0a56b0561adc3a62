import { describe, expect, it } from 'vitest'

import { bytes, columns, heat, line, whiskers } from '../../src/app/statistics/charts'

describe('the charts', () => {
  it('draw a rate with its interval inside of the box', () => {
    expect(whiskers(0.5, 0.25, 0.75, 140)).toEqual({ bar: 70, low: 35, high: 105 })
    expect(whiskers(null, 0, 1, 140)).toEqual({ bar: 0, low: 0, high: 140 })
    expect(whiskers(1.2, 0.9, 1.3, 100)).toEqual({ bar: 100, low: 90, high: 100 })
    expect(whiskers(0.5, 0.8, 0.2, 100)).toMatchObject({ low: 20, high: 80 })
  })

  it('draw columns on one ground, the most as high as the box, and one image still to be seen', () => {
    const bars = columns([0, 1, 1000], 120, 100)
    expect(bars.map(({ x, width }) => [x, width])).toEqual([[0, 38], [40, 38], [80, 38]]) // prettier-ignore
    expect(bars.map(({ height }) => height)).toEqual([0, 1, 100])
    for (const { y, height } of bars) expect(y + height).toBe(100)
    expect(columns([], 300, 100)).toEqual([])
    expect(columns([5], 600, 100)).toEqual([{ x: 0, y: 0, width: 48, height: 100 }])
    expect(columns(Array<number>(400).fill(1), 300, 100).every(({ width }) => width >= 1)).toBe(true)
  })

  it('draw a line with gaps where nothing is known', () => {
    expect(line([1, 0.5, null, 0], 120, 100)).toBe('M15 0 L45 50 M105 100')
    expect(line([null], 400, 100)).toBe('')
  })

  it('put pairs into a map, the value that is in most of them as a row', () => {
    const pairs = [['Red', 'Fur', 4], ['Blue', 'Fur', 2], ['Red', 'Wool', 1]] as [string, string, number][] // prettier-ignore
    const map = heat(
      pairs,
      ([one, other]) => [one, other],
      ([, , worth]) => worth
    )
    expect([map.rows, map.columns]).toEqual([
      ['Red', 'Fur'],
      ['Fur', 'Wool', 'Blue']
    ])
    const cells = map.cells.flat().filter((cell) => cell !== undefined)
    expect(cells.map(({ heat }) => heat).sort()).toEqual([0.25, 0.5, 1])
    expect(new Set(cells.map(({ of }) => of)).size).toBe(3)
    expect(heat([], () => ['', ''], () => 0).rows).toEqual([]) // prettier-ignore
  })

  it('say bytes as people do', () => {
    expect([0, 999, 1_500, 25_400_000, 7.4e12].map((count) => bytes(count, 'en'))).toEqual(['0 B', '999 B', '1.5 KB', '25 MB', '7.4 TB'])
    expect(bytes(1_500, 'fr')).toBe('1,5 Ko')
  })
})
