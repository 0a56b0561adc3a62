import { describe, expect, it } from 'vitest'

import { bytes, complete, duration, percent } from '../../src/app/numbers'

/** All kinds of spaces are one. */
const plain = (text: string): string => text.replace(/\s/g, ' ')

describe('numbers', () => {
  it('are percent to the nearest, and of what is complete never too much', () => {
    expect([0, 0.294, 0.296, 1, 12.5].map((share) => percent(share, 'en'))).toEqual(['0%', '29%', '30%', '100%', '1,250%'])
    expect([1, 0.9999, 0.29, 7 / 3, -1].map((share) => complete(share, 'en'))).toEqual(['100%', '99%', '29%', '100%', '0%'])
    expect(plain(percent(0.75, 'fr'))).toBe('75 %')
    expect(plain(percent(12.5, 'fr'))).toBe('1 250 %')
  })

  it('are sizes with few digits', () => {
    const sizes = [0, 1, 999, 1_000, 1_550, 9_960, 25_400_000, 999_900_000, 1_550_000_000, 7.4e12, 4e15]
    expect(sizes.map((size) => bytes(size, 'en'))).toEqual(
      ['0 bytes', '1 byte', '999 bytes', '1 kB', '1.6 kB', '10 kB', '25 MB', '1 GB', '1.6 GB', '7.4 TB', '4,000 TB'] // prettier-ignore
    )
    expect([12, 1_500, 25_400_000].map((size) => plain(bytes(size, 'fr')))).toEqual(['12 octets', '1,5 ko', '25 Mo'])
  })

  it('are times as people say them', () => {
    const times = [0.4, 24, 89, 180, 7_200, 7_800, 86_400 * 4]
    expect(times.map((time) => duration(time, 'en'))).toEqual(['0 sec', '24 sec', '89 sec', '3 min', '2 hr', '2 hr 10 min', '4 days'])
    expect(times.map((time) => plain(duration(time, 'fr')))).toEqual(['0 s', '24 s', '89 s', '3 min', '2 h', '2 h 10 min', '4 j'])
  })
})
