// @vitest-environment jsdom
import { expect, it } from 'vitest'

import { ServerError } from '../src/host'
import { counted, errorElements, type Preview, previewElements } from '../src/preview'
import { textsIn } from '../src/texts'

const en = textsIn('en')

const preview: Preview = {
  name: 'fruit',
  mode: 'combinatorial',
  placeholders: [
    { name: 'Colour', available: 8, selected: 3, weight: 1 },
    { name: 'Place', available: 4, selected: 4, weight: 0 }
  ],
  removed: [],
  left_out: [],
  combinations: 48,
  total_combinations: 144,
  seeds: null,
  images: 48,
  warnings: ['careful'],
  first: [{ prompt: '<img src=x onerror=alert(1)> a cat', negative: 'dog', seed: 1, keys: {} }]
}

it.each([
  [{}, '48 combinations'],
  [{ images: 10 }, '10 of 48 combinations'],
  [{ seeds: 4, images: 192 }, '48 combinations × 4 seeds'],
  [{ seeds: 4, images: 24 }, '6 of 48 combinations × 4 seeds'],
  [{ seeds: 4, images: 22 }, '6 of 48 combinations × 4 seeds'],
  [{ seeds: 1 }, '48 combinations'],
  [{ combinations: 1, images: 1 }, '1 combination']
])('counts %o', (change, text) => {
  expect(counted({ ...preview, ...change }, en)).toBe(text)
})

it('shows what the template would make, texts as texts', () => {
  const box = document.createElement('div')
  box.append(...previewElements(preview, en, 'en'))
  expect([...box.querySelectorAll('.sdgen-chip')].map((chip) => chip.textContent)).toEqual(['Colour3 of 8', 'Place4drawn'])
  expect(box.querySelector('.sdgen-total')?.textContent).toBe('48 combinations → 48 images')
  expect(box.querySelector('.sdgen-warning')?.textContent).toBe('careful')
  expect(box.querySelector('img')).toBeNull()
  expect(box.querySelector('.sdgen-prompt')?.textContent).toContain('<img src=x onerror=alert(1)> a cat')
})

it('shows how several themes share the images, and values of which they have different numbers', () => {
  const box = document.createElement('div')
  const themes = [
    { theme: 'gala', style: 'default', images: 1200 },
    { theme: 'pirates', style: 'dark', images: 2 },
    { theme: null, style: 'default', images: 3 }
  ]
  const placeholders = [{ name: 'Hat', available: 5, selected: 3, weight: 1, least: 1 }]
  box.append(...previewElements({ ...preview, themes, placeholders }, en, 'en'))
  expect(box.textContent).toContain('Themes: gala 1,200 · pirates/dark 2 · No theme 3')
  expect(box.querySelector('.sdgen-chip')?.textContent).toBe('Hat1–3 of 5')
})

it('shows an error with its hint and code', () => {
  const box = document.createElement('div')
  box.append(...errorElements(new ServerError('bad-selector', 'text:1:2: no', 'Write it so.'), en))
  expect(box.querySelector('.sdgen-message')?.textContent).toBe('text:1:2: no')
  expect(box.textContent).toContain('Write it so.')
  expect(box.textContent).toContain('bad-selector')
})

it('lists several errors, the same advice once, or only the first', () => {
  const error = ServerError.from(
    {
      error: 'missing-file',
      message: '2 problems',
      hint: 'Check.',
      errors: [
        { error: 'missing-file', message: 'a:1:1: no', hint: 'Check.' },
        { error: 'missing-file', message: 'a:2:1: no', hint: 'Check.' }
      ]
    },
    ''
  )
  const texts = (most?: number): string[] => errorElements(error, en, most).map((line) => line.textContent)
  expect(texts()).toEqual(['2 problems', 'a:1:1: noCheck.missing-file', 'a:2:1: nomissing-file'])
  expect(texts(1)).toEqual(['2 problems', 'a:1:1: noCheck.missing-file'])
})

it('marks what the node chooses, and leads to it', () => {
  const asked: string[] = []
  const box = document.createElement('div')
  const actions = { chosen: new Set(['Place', 'Gone']), choose: (name: string) => asked.push(name) }
  box.append(...previewElements({ ...preview, left_out: ['Gone'] }, en, 'en', actions))
  const chips = [...box.querySelectorAll<HTMLElement>('.sdgen-chip')]
  expect(chips.filter((chip) => chip.classList.contains('sdgen-chosen')).map((chip) => chip.textContent)).toEqual([
    'Place4drawn',
    'Goneleft out'
  ])
  for (const chip of chips) chip.click()
  expect(asked).toEqual(['Colour', 'Place', 'Gone'])
})

it('says so when the server does not answer', () => {
  expect(errorElements(new TypeError('Failed to fetch'), en)[0]?.textContent).toBe('The server does not answer')
})
