import { describe, expect, it } from 'vitest'

import { Choosing } from '../src/choices'
import { matches } from '../src/modal'
import { textsIn } from '../src/texts'
import { rowCount, valueText } from '../src/value-dialog'

it.each([
  ['RedLong long red hair', '', true],
  ['RedLong long red hair', 'hair RED', true],
  ['RedLong long red hair', 'blue red', false],
  ['Ünï coat', 'ünï', true]
])('%s matches %s: %s', (text, search, found) => {
  expect(matches(text, search)).toBe(found)
})

it('shows every part of a value', () => {
  expect(valueText('a hat')).toBe('a hat')
  expect(valueText({ main: 'at sea', light: 'blue light' })).toBe('main: at sea · light: blue light')
})

describe('the count of a row', () => {
  const offered = { name: 'A', values: ['x', 'y', 'z'].map((key): [string, string] => [key, key]), selector: '', weight: 1 }
  it.each([
    ['', '3'],
    ['A[x]', '1 of 3'],
    ['A[2]', '2 drawn from 3'],
    ['A[x,y;limit:1]', '1 drawn from 2'],
    ['A[0]', 'left out'],
    ['A[nope]', '0 of 3']
  ])('%s: %s', (text, count) => {
    const [row] = new Choosing([offered], text).rows
    expect(row && rowCount(row, textsIn('en'))).toBe(count)
  })
})
