import { describe, expect, it } from 'vitest'

import { readLocks, routeOf, writeLocks } from '../../src/app/compare/address'
import { type Axis, cellAt, type Compared, type Details, differences, judged, placesOf, queryOf, shifted, shownImage, stepped, toggled } from '../../src/app/compare/matrix'
import { FIT, kept, panned, transform, zoomed } from '../../src/app/compare/zoom'

const value = (key: string) => ({ key, text: `a ${key}`, images: 2, ok: 0, partial: 0, ko: 0 })
const image = (id: number, missing = false) => ({ count: 1, images: [{ id, verdict: null, missing }], plan: null })
const empty = { count: 0, images: [], plan: 'possible' as const }

/** Red, blue and green on three seeds; green is missing on 8, and red's file is gone on 9. */
function matrix(): Compared {
  const row = (key: string, cells: Compared['rows'][number]['cells']) => ({ key, text: key, cells })
  return {
    axes: [], pivot: 'Hair', rows_by: 'seed', locks: [], columns: ['Red', 'Blue', 'Green'].map(value), at: 0, total: 3, differs: [], cards: [],
    makes: 'yes', version: '1',
    rows: [row('7', [image(1), image(2), image(3)]), row('8', [image(4), image(5), empty]), row('9', [image(6, true), image(7), image(8)])]
  } // prettier-ignore
}

describe('the address', () => {
  it('says what is locked, where one is and what is side by side, whatever the names are', () => {
    const asked = {
      rows: 'seed',
      locks: { Coat: 'a:b&c=d', 'Größe': '#1,2', Hat: null },
      at: 40,
      side: [
        { row: '18446744073709551615', column: 'Red, "dark"' },
        { row: '7', column: 'Blue' }
      ],
      open: true
    }
    expect(readLocks(writeLocks(asked))).toEqual(asked)
  })

  it('is nothing at the start, and nonsense is as the start', () => {
    const start = { rows: '', locks: {}, at: 0, side: [], open: false }
    expect(writeLocks(start)).toBe('')
    for (const text of ['', 'at=-3&lock=:x&lock=nothing&row=1', 'at=9e99&open=yes']) expect(readLocks(text)).toEqual(start)
    const many = [1, 2, 3, 4, 5, 6].map((n) => ({ row: String(n), column: 'Red' }))
    expect(readLocks(writeLocks({ ...start, side: many })).side).toHaveLength(4)
  })

  it('of the server has no more than the matrix depends on', () => {
    const asked = { rows: 'Coat', locks: { seed: '5', Hat: null }, at: 20, side: [{ row: '1', column: 'x' }], open: true }
    const search = new URLSearchParams(routeOf('mine', 'Hair', asked, 20).split('?')[1])
    expect(Object.fromEntries(search)).toEqual({ rows: 'Coat', lock: 'seed:5', any: 'Hat', at: '20', session: 'mine', pivot: 'Hair', limit: '20' })
  })
})

describe('the matrix', () => {
  it('finds cells and shows an image whose file is there', () => {
    expect(cellAt(matrix(), { row: '8', column: 'Blue' })?.images[0]?.id).toBe(5)
    expect(cellAt(matrix(), { row: '8', column: 'Pink' })).toBeUndefined()
    expect(shownImage({ count: 2, images: [{ id: 1, verdict: null, missing: true }, { id: 2, verdict: null, missing: false }], plan: null })?.id).toBe(2) // prettier-ignore
    expect(shownImage(empty)).toBeUndefined()
  })

  it('chooses up to four cells, the oldest giving way, and takes one out again', () => {
    const places = ['a', 'b', 'c', 'd', 'e'].map((column) => ({ row: '7', column }))
    const four = places.reduce<typeof places>(toggled, [])
    expect(four.map(({ column }) => column)).toEqual(['b', 'c', 'd', 'e'])
    expect(toggled(four, { row: '7', column: 'c' }).map(({ column }) => column)).toEqual(['b', 'd', 'e'])
    expect(placesOf(matrix(), '8').map(({ column }) => column)).toEqual(['Red', 'Blue'])
  })

  it('goes to the next seed with the same values', () => {
    const side = placesOf(matrix(), '7').slice(0, 2)
    expect(shifted(matrix(), side, 1)).toEqual([{ row: '8', column: 'Red' }, { row: '8', column: 'Blue' }]) // prettier-ignore
    expect(shifted(matrix(), side, -1)).toBeNull()
    expect(shifted(matrix(), [{ row: '9', column: 'Red' }], 1)).toBeNull()
  })

  it('steps through the values of a lock, round its end, and out of any', () => {
    const axis: Axis = { name: 'Coat', values: ['Fur', 'Wool', 'Silk'].map(value) }
    expect(['Fur', 'Wool', 'Silk'].map((key) => stepped(axis, key, 1))).toEqual(['Wool', 'Silk', 'Fur'])
    expect(stepped(axis, 'Fur', -1)).toBe('Silk')
    expect([stepped(axis, null, 1), stepped(axis, null, -1)]).toEqual(['Fur', 'Silk'])
  })

  it('counts a verdict in its column, and takes it back', () => {
    const once = judged(matrix(), 5, 'ko')
    expect(once.columns.map(({ ko }) => ko)).toEqual([0, 1, 0])
    const changed = judged(once, 5, 'ok')
    expect(changed.columns.map(({ ok, ko }) => [ok, ko])).toEqual([[0, 0], [1, 0], [0, 0]]) // prettier-ignore
    expect(judged(changed, 5, null)).toEqual(matrix())
  })

  it('shows of images only what differs', () => {
    const details = (seed: string, hair: string, steps: number): Details => {
      const one = (text: string) => ({ key: text, text, verdict: null, score: null })
      return { seed, steps, model: 'dream', sampler: 'euler', scheduler: 'normal', cfg: 5, width: 8, height: 9, values: { Hair: one(hair), Coat: one('fur') } } as unknown as Details // prettier-ignore
    }
    expect(differences([details('7', 'red', 20), details('7', 'blue', 20)])).toEqual([['Hair', ['red', 'blue']]])
    expect(differences([details('7', 'red', 20), details('8', 'red', 25), undefined])).toEqual([
      ['seed', ['7', '8', undefined]],
      ['steps', ['20', '25', undefined]]
    ])
    expect(differences([undefined, undefined])).toEqual([])
  })

  it('asks for the images of a cell', () => {
    expect(queryOf({ Hair: 'dark red', Coat: null, seed: '7' })).toBe('@Hair:"dark red" seed:7 is:trash,missing,broken,landscape,portrait,square')
  })
})

describe('the zoom', () => {
  it('keeps the point under the cursor where it is', () => {
    // A point p of the image is seen at 1/2 + (p - x) * scale.
    const seen = (zoom: { scale: number; x: number }, p: number): number => 0.5 + (p - zoom.x) * zoom.scale
    const once = zoomed(FIT, 2, 0.3, 0.7)
    expect(seen(once, 0.3)).toBeCloseTo(0.3)
    const p = once.x + (0.6 - 0.5) / once.scale
    expect(seen(zoomed(once, 1.7, 0.6, 0.5), p)).toBeCloseTo(0.6)
    expect(zoomed(zoomed(FIT, 3), 1 / 3)).toEqual(FIT)
  })

  it('never leaves the image, nor its limits', () => {
    expect(zoomed(FIT, 0.2)).toEqual(FIT)
    expect(zoomed(FIT, 1000).scale).toBe(16)
    expect(panned(zoomed(FIT, 2), 5, -5)).toEqual({ scale: 2, x: 0.25, y: 0.75 })
    expect(kept({ scale: 1, x: 0.9, y: 0.1 })).toEqual(FIT)
  })

  it('moves as far as the hand', () => {
    const before = zoomed(FIT, 4)
    expect((panned(before, 0.1, 0).x - before.x) * before.scale).toBeCloseTo(-0.1)
    expect(transform(FIT)).toBe('translate(0%, 0%) scale(1)')
    expect(transform({ scale: 2, x: 0.25, y: 0.5 })).toBe('translate(50%, 0%) scale(2)')
  })
})
