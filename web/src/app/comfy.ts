/** The application inside ComfyUI's page. */

import { address, fetchRoute, loadInNode, locale, onMessage, openGraph, openWorkflow, queueGraph, toast } from '../host'
import type { Platform } from './platform'

const PARAMETER = 'sdgen'

/** ComfyUI's page as the application's platform. Its own router owns the path and the hash: we have one search parameter. */
export const comfy: Platform = {
  comfyui: true,
  fetch: fetchRoute,
  url: address,
  on: (kind, handle) => onMessage(kind === 'reload' ? 'reconnected' : `sdgen.${kind}`, (detail) => handle((detail ?? {}) as never)),
  toast: (severity, summary, detail = '') => toast(severity, summary, detail),
  language: locale,
  address: () => new URLSearchParams(location.search).get(PARAMETER) ?? '',
  setAddress(text, push) {
    const url = new URL(location.href)
    if (text) url.searchParams.set(PARAMETER, text)
    else url.searchParams.delete(PARAMETER)
    if (push) history.pushState(history.state, '', url)
    else history.replaceState(history.state, '', url)
  },
  onAddress(handle) {
    addEventListener('popstate', handle)
    return () => removeEventListener('popstate', handle)
  },
  openWorkflow,
  openGraph,
  loadInNode,
  queue: queueGraph
}
