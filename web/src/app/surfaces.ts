/** The application's two places in ComfyUI's page: the sidebar, and over the canvas. Loaded when one of them is first opened. */

import type { App } from 'vue'

import { comfy } from './comfy'
import { createGallery } from './create'
import css from './style.css?inline'
import { readView, type View, writeView } from './view'

let tab: HTMLElement | undefined
let full: { app: App; root: HTMLElement; before: Element | null } | undefined
/** Where the user was when the gallery was closed. */
let left = ''

function styled(): void {
  if (document.querySelector('style[data-sdgen-app]')) return
  const style = document.createElement('style')
  style.dataset.sdgenApp = ''
  style.textContent = css
  document.head.append(style)
  // The browser's back button goes out of the gallery, too, and forward into it.
  comfy.onAddress(() => {
    if (!comfy.address()) unmount()
    else openGallery()
  })
}

/** Show the sidebar's tab in `place`. ComfyUI asks again with other elements: it is the same tab that moves. */
export function showTab(place: HTMLElement): void {
  styled()
  if (!tab) {
    tab = document.createElement('div')
    tab.className = 'sdgen-tab-root'
    createGallery(comfy, 'tab', { open: openGallery }).mount(tab)
  }
  if (tab.parentElement !== place) place.append(tab)
}

/** Open the gallery over the canvas: at `view`, at what the address says, or where it was closed. */
export function openGallery(view?: Partial<View>): void {
  if (full) return
  styled()
  if (view) comfy.setAddress(writeView({ ...readView(''), ...view }), true)
  else if (!comfy.address()) comfy.setAddress(left || writeView(readView('')), true)
  const root = document.createElement('div')
  root.className = 'sdgen-full-root'
  root.setAttribute('role', 'dialog')
  root.setAttribute('aria-modal', 'true')
  root.setAttribute('aria-label', 'SDGen')
  // What is typed here is nobody else's: ComfyUI listens for keys on the window, and Delete would remove nodes.
  for (const kind of ['keydown', 'keyup', 'keypress'] as const) root.addEventListener(kind, (event) => event.stopPropagation())
  document.body.append(root)
  const app = createGallery(comfy, 'full', { close: closeGallery })
  full = { app, root, before: document.activeElement }
  app.mount(root)
}

/** Close it; the address is ComfyUI's own again. */
export function closeGallery(): void {
  if (!full) return
  left = comfy.address()
  comfy.setAddress('', false)
  unmount()
}

/** Take it away; the focus goes back to where it was. */
function unmount(): void {
  if (!full) return
  full.app.unmount()
  full.root.remove()
  if (full.before instanceof HTMLElement) full.before.focus({ preventScroll: true })
  full = undefined
}

/** Open it, or close it. */
export function toggleGallery(): void {
  if (full) closeGallery()
  else openGallery()
}
