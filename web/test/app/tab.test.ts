// @vitest-environment jsdom
import { expect, it, vi } from 'vitest'

const made = vi.hoisted(() => ({ mounted: [] as HTMLElement[], surfaces: [] as string[], props: [] as Record<string, unknown>[], unmounted: 0 }))

vi.mock('../../src/app/style.css?inline', () => ({ default: '.sdgen-app {}' }))
vi.mock('../../src/app/create', () => ({
  createGallery: (_: unknown, surface: string, props: Record<string, unknown>) => {
    made.surfaces.push(surface)
    made.props.push(props)
    return Promise.resolve({ mount: (root: HTMLElement) => made.mounted.push(root), unmount: () => made.unmounted++ })
  }
}))

import { closeGallery, openGallery, showTab, toggleGallery } from '../../src/app/surfaces'

it('is one tab, which moves when ComfyUI asks with another element', () => {
  const [first, second] = [document.createElement('div'), document.createElement('div')]
  showTab(first)
  const tab = first.firstElementChild
  showTab(second)
  showTab(second)
  expect(second.children.length).toBe(1)
  expect(second.firstElementChild).toBe(tab)
  expect(first.children.length).toBe(0)
  expect(made.surfaces).toEqual(['tab'])
})

it('opens the gallery once, where it was closed, and gives the address back', async () => {
  openGallery({ screen: 'images', session: 'abc' })
  openGallery()
  expect(made.surfaces.filter((surface) => surface === 'full')).toEqual(['full'])
  expect(new URLSearchParams(location.search).get('sdgen')).toBe('/images?session=abc')
  await Promise.resolve()
  expect(made.mounted.at(-1)?.className).toBe('sdgen-full-root')
  closeGallery()
  expect(location.search).toBe('')
  expect([made.unmounted, document.querySelector('.sdgen-full-root')]).toEqual([1, null])
  toggleGallery()
  expect(new URLSearchParams(location.search).get('sdgen')).toBe('/images?session=abc')
  toggleGallery()
})

it('keeps keys from ComfyUI', () => {
  openGallery()
  let heard = 0
  const listen = (): void => {
    heard++
  }
  window.addEventListener('keydown', listen)
  document.querySelector('.sdgen-full-root')?.dispatchEvent(new KeyboardEvent('keydown', { key: 'Delete', bubbles: true }))
  expect(heard).toBe(0)
  window.removeEventListener('keydown', listen)
  closeGallery()
})

it('stays closed when it was closed before its words had come', async () => {
  const before = made.mounted.length
  openGallery()
  closeGallery()
  await Promise.resolve()
  expect(made.mounted.length).toBe(before)
})
