/** The application's two places in ComfyUI's page: the sidebar, and over the canvas. Loaded when one of them is first opened. */

import type { App } from 'vue'

import { isKeyOf, isOn } from '../host'
import { readView, type View, writeView } from './address'
import { comfy } from './comfy'
import { createGallery } from './create'
import type { Platform } from './platform'
import css from './style.css?inline'

let tab: HTMLElement | undefined
let full: { app?: App; root: HTMLElement; before: Element | null } | undefined
/** Where the user was when the gallery was closed. */
let left = ''

const KEYS = ['keydown', 'keyup', 'keypress'] as const

/** What comes onto the canvas is seen there: the gallery makes room. */
const over: Platform = {
  ...comfy,
  async openWorkflow(workflow, name) {
    await comfy.openWorkflow?.(workflow, name)
    closeGallery()
  },
  async openGraph(prompt, name) {
    await comfy.openGraph?.(prompt, name)
    closeGallery()
  }
}

/**
 * What is typed here is nobody else's: ComfyUI listens for keys on the window, and Delete would remove nodes. The key that opens the
 * gallery closes it again; ComfyUI itself runs no command while something lies over its page.
 */
function keep(event: KeyboardEvent): void {
  event.stopPropagation()
  if (event.type !== 'keydown' || event.repeat || !isKeyOf(event, 'SDGen.Gallery')) return
  event.preventDefault()
  closeGallery()
}

/** The same where nothing has the focus, as after a click on what then went away. */
function keepLost(event: KeyboardEvent): void {
  const { target } = event
  if (target === document.body || target === document.documentElement || target instanceof HTMLCanvasElement) keep(event)
}

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
    const root = (tab = document.createElement('div'))
    root.className = 'sdgen-tab-root'
    void createGallery(comfy, 'tab', { open: openGallery }).then((app) => app.mount(root))
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
  for (const kind of KEYS) root.addEventListener(kind, keep)
  for (const kind of KEYS) addEventListener(kind, keepLost, true)
  document.body.append(root)
  const mine = (full = { root, before: document.activeElement })
  void createGallery(over, 'full', { close: closeGallery }).then((app) => {
    if (full !== mine) return // it was closed before its words had come
    full.app = app
    app.mount(root)
  })
}

/** Close it; the address is ComfyUI's own again. */
export function closeGallery(): void {
  if (!full) return
  left = isOn('SDGen.KeepPlace') ? comfy.address() : ''
  comfy.setAddress('', false)
  unmount()
}

/** Take it away; the focus goes back to where it was. */
function unmount(): void {
  if (!full) return
  full.app?.unmount()
  full.root.remove()
  for (const kind of KEYS) removeEventListener(kind, keepLost, true)
  if (full.before instanceof HTMLElement) full.before.focus({ preventScroll: true })
  full = undefined
}

/** Open it, or close it. */
export function toggleGallery(): void {
  if (full) closeGallery()
  else openGallery()
}
