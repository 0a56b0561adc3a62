/**
 * What ComfyUI's page loads at its start: it says what SDGen adds, and fetches the rest when it is first needed.
 *
 * ComfyUI imports every `.js` below the web folder at once; everything else is in chunks that end in `.mjs`.
 */

import { addSideTab, type GraphNode, locale, nodeClass, onMessage, openAsWorkflow, register } from './host'

type Nodes = typeof import('./nodes')

let loaded: Promise<Nodes> | undefined

function nodes(): Promise<Nodes> {
  loaded ??= import('./nodes').then((module) => {
    module.start()
    return module
  })
  return loaded
}

function created(node: GraphNode): void {
  if (nodeClass(node).startsWith('SDGen')) void nodes().then((module) => { module.created(node); })
}

function started(): void {
  // A session's first word brings the code that shows how it goes on, and that it has ended.
  const first = (detail: unknown): void => void nodes().then((module) => { module.sessionTold(detail); })
  addSideTab({
    id: 'sdgen',
    title: 'SDGen',
    icon: 'pi pi-images',
    show: (place) => void import('./app/surfaces').then((module) => { module.showTab(place) })
  })
  onMessage('sdgen.session', first, { once: true })
  // The address of a place in the gallery: a bookmark, or a page that was loaded again.
  if (new URLSearchParams(location.search).has('sdgen')) void import('./app/surfaces').then((module) => { module.openGallery() })
  openAsWorkflow(async (file) => (await import('./png')).savedWorkflow(file))
}

async function refreshed(): Promise<void> {
  if (loaded) await (await loaded).refreshed()
}

const commands = [
  {
    id: 'SDGen.Gallery',
    label: () => (locale().startsWith('fr') ? 'Ouvrir la galerie' : 'Open the gallery'),
    icon: 'pi pi-images',
    press: () => void import('./app/surfaces').then((module) => { module.toggleGallery() }),
    key: { key: 'l', alt: true }
  },
  {
    id: 'SDGen.Import',
    label: () => (locale().startsWith('fr') ? 'Importer les nouvelles sessions' : 'Import new sessions'),
    icon: 'pi pi-folder-open',
    press: () => void nodes().then((module) => { module.importSessions(); })
  }
]

const settings = [
  { id: 'SDGen.TellEnds', name: 'Say when a session ends', tooltip: 'A message in the corner when a session is complete, paused or has failed.', defaultValue: true },
  { id: 'SDGen.KeepPlace', name: 'Open the gallery where it was closed', tooltip: 'Without it, the gallery opens at the list of sessions.', defaultValue: true }
]

register({ started, created, refreshed, commands, settings })
