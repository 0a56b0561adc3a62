import { describe, expect, it } from 'vitest'

import { BEYOND, layout, MOST_CELLS, moved, placesIn, rowsAt, usualAspect } from '../../src/app/images/layout'
import { Scroll } from '../../src/app/images/scroll'

const WIDTHS = [200, 390, 800, 1400, 3440]
const HEIGHTS = [300, 844, 1440, 2160]
const SIZES = [80, 160, 220, 400]
const ASPECTS = [0.2, 0.68, 1, 1.5, 5]
const COUNTS = [0, 1, 7, 1000, 500_000]

describe('the layout of the grid', () => {
  it('never has more cells than it may, and shows every image', () => {
    for (const width of WIDTHS)
      for (const height of HEIGHTS)
        for (const size of SIZES)
          for (const aspect of ASPECTS)
            for (const count of COUNTS) {
              const grid = layout(count, { width, height }, size, aspect)
              expect(grid.columns * grid.width).toBeLessThanOrEqual(width)
              expect(grid.columns * grid.rows).toBeGreaterThanOrEqual(count)
              for (const offset of [0, 1, grid.height * 3.5, Math.max(0, grid.rows * grid.height - height)]) {
                const [from, to] = rowsAt(grid, offset, height)
                if (width > 200) expect((to - from) * grid.columns).toBeLessThanOrEqual(MOST_CELLS)
                if (offset < grid.rows * grid.height) expect(from * grid.height).toBeLessThanOrEqual(offset)
                expect(to === grid.rows || to * grid.height >= offset + height + BEYOND).toBe(true)
              }
            }
  })

  it('is made for the shape that most images have', () => {
    expect(usualAspect([{ width: 832, height: 1216 }, { width: 832, height: 1216 }, { width: 512, height: 512 }])).toBe(0.68)
    expect(usualAspect([{ width: null, height: null }])).toBe(1)
  })

  it('says which cells a rectangle touches', () => {
    const grid = { columns: 4, width: 100, height: 50, rows: 3 }
    expect(placesIn(grid, 10, 150, 40, 260, 60)).toEqual([1, 2, 5, 6])
    expect(placesIn(grid, 10, -50, 110, 900, 900)).toEqual([8, 9])
  })

  it('moves the focus by keys, over half a million images as over ten', () => {
    expect(moved('ArrowRight', 9, 10, 4, 3)).toBe(9)
    expect(moved('ArrowDown', 5, 10, 4, 3)).toBe(9)
    expect(moved('ArrowDown', 7, 10, 4, 3)).toBe(9)
    expect(moved('ArrowDown', 9, 10, 4, 3)).toBe(9)
    expect(moved('ArrowUp', 2, 10, 4, 3)).toBe(2)
    expect(moved('PageDown', 100, 500_000, 7, 5)).toBe(135)
    expect(moved('End', 0, 500_000, 7, 5)).toBe(499_999)
    expect(moved('x', 0, 10, 4, 3)).toBeNull()
  })
})

describe('scrolling', () => {
  it('leaves heights alone that a browser can have', () => {
    const scroll = new Scroll(10_000)
    scroll.resize(9_000, 500)
    for (const top of [0, 20, 4000, 8500]) {
      expect(scroll.scrolled(top)).toBe(top)
      expect(scroll.offset).toBe(top)
    }
  })

  it('reaches everything of a height that none can have, in steps as long as they look', () => {
    for (const total of [10_001, 60_000, 1_000_000]) {
      const scroll = new Scroll(10_000)
      scroll.resize(total, 300)
      for (let n = 0; n <= 50; n++) {
        const wanted = Math.round(((total - 300) * n) / 50)
        let top = scroll.to(wanted)
        for (const by of [120, 250, -90, -200, 10]) {
          expect(top).toBeGreaterThanOrEqual(0)
          expect(top).toBeLessThanOrEqual(10_000 - 300)
          // A browser does not scroll beyond the element's ends: they are the ends of the whole, too.
          const to = Math.min(10_000 - 300, Math.max(0, top + by))
          const expected = Math.min(total - 300, Math.max(0, scroll.offset + by))
          top = scroll.scrolled(to)
          expect(scroll.offset).toBe(expected)
          expect(top).toBe(scroll.offset - scroll.base)
        }
      }
      scroll.to(0)
      scroll.scrolled(10_000 - 300)
      expect(scroll.offset).toBe(total - 300)
      scroll.scrolled(0)
      expect(scroll.offset).toBe(0)
    }
  })

  it('goes through all of it in short steps, to the end and back', () => {
    const scroll = new Scroll(10_000)
    scroll.resize(200_000, 300)
    let top = scroll.to(0)
    for (let n = 0; n < 2000; n++) top = scroll.scrolled(Math.min(9_700, top + 150))
    expect(scroll.offset).toBe(199_700)
    for (let n = 0; n < 2000; n++) top = scroll.scrolled(Math.max(0, top - 150))
    expect(scroll.offset).toBe(0)
  })
})
