import { describe, expect, it } from 'vitest'

import { columns, type Head, heat, line, whiskers } from '../../src/app/statistics/charts'

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

  it('put pairs into a map: the placeholder that is in most of them has the rows, all of its values', () => {
    const pairs = [['Hair:Red', 'Coat:Fur', 4], ['Hat:Top', 'Hair:Blue', 2], ['Coat:Wool', 'Hair:Red', 1], ['Hat:Top', 'Coat:Fur', 1]] as [string, string, number][] // prettier-ignore
    const head = (text: string): Head => {
      const [placeholder = '', key = ''] = text.split(':')
      return { placeholder, key, name: 'reads alike' }
    }
    const map = heat(
      pairs,
      ([one, other]) => [head(one), head(other)],
      ([, , worth]) => worth
    )
    const said = (heads: Head[]): string[] => heads.map(({ placeholder, key }) => `${placeholder}:${key}`)
    expect(said(map.rows)).toEqual(['Coat:Fur', 'Coat:Wool', 'Hair:Blue'])
    expect(said(map.columns)).toEqual(['Hair:Red', 'Hat:Top'])
    expect(map.cells.map((row) => row.map((cell) => cell?.heat))).toEqual([[1, 0.25], [0.25, undefined], [undefined, 0.5]]) // prettier-ignore
    expect(map.cells[1]?.[0]?.of).toBe(pairs[2])
    expect(heat([], () => [head(''), head('')], () => 0).rows).toEqual([]) // prettier-ignore
  })
})
