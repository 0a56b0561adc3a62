/** The application alone, served by `sdgen gallery`: on a phone, or on a second screen. */

import { askingAhead } from './ahead'
import type { Events, Platform, Severity } from './platform'
import { textsIn } from './texts'

const stream = new EventSource('sdgen/events')

function on<Kind extends keyof Events>(kind: Kind, handle: (data: Events[Kind]) => void): () => void {
  const listener = (event: MessageEvent<string>): void => handle(JSON.parse(event.data) as Events[Kind])
  stream.addEventListener(kind, listener)
  return () => stream.removeEventListener(kind, listener)
}

function toast(severity: Severity, summary: string, detail = ''): void {
  let corner = document.querySelector('.sdgen-toasts')
  if (!corner) {
    corner = document.createElement('div')
    corner.className = 'sdgen-toasts'
    corner.setAttribute('role', 'status')
    document.body.append(corner)
  }
  const message = document.createElement('div')
  message.className = `sdgen-toast sdgen-toast-${severity}`
  message.append(Object.assign(document.createElement('b'), { textContent: summary }), detail)
  corner.append(message)
  setTimeout(() => message.remove(), severity === 'error' ? 15_000 : 6_000)
}

const alone: Platform = {
  comfyui: false,
  fetch: (route, options) => fetch(route.slice(1), options), // below the path of a proxy, too
  url: (route) => route.slice(1),
  on,
  toast,
  language: () => navigator.language,
  address: () => location.hash.slice(1),
  setAddress(text, push) {
    const url = text ? `#${text}` : location.pathname + location.search
    if (push) history.pushState(null, '', url)
    else history.replaceState(null, '', url)
  },
  onAddress(handle) {
    addEventListener('popstate', handle)
    return () => removeEventListener('popstate', handle)
  }
}

// What is shown, the words and the application come at the same time.
const platform = askingAhead(alone)
void textsIn(platform.language())
void import('./whole').then(({ showAlone }) => showAlone(platform))
