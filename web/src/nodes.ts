/** SDGen on the canvas: panels on the Template and Session Plan nodes, and a word when a session ends. Loaded with the first of these. */

import {
  hideWidget,
  intercept,
  isAlive,
  locale,
  nodeClass,
  onMessage,
  onRemoved,
  setOptions,
  type GraphNode
} from './host'
import { Imports } from './imports'
import { Library } from './library'
import { PlanPanel } from './plan-panel'
import { type Session, Sessions } from './sessions'
import css from './style.css?inline'
import { TemplatePanel } from './template-panel'
import { type Texts, textsIn } from './texts'

const TICK_MS = 150
const LOOK_MS = 3000

interface Ticking {
  tick(): void
  refresh(): void
  removed?(): void
}

const texts = (): Texts => textsIn(locale())
const sessions = new Sessions(texts)
const imports = new Imports(texts)
const panels = new Map<GraphNode, Ticking>()
const library = new Library(() => {
  for (const [node, panel] of panels) {
    offerFiles(node)
    panel.refresh()
  }
})

function offerFiles(node: GraphNode): void {
  if (library.files && nodeClass(node) === 'SDGenTemplate') setOptions(node, 'file', library.files)
}

/*
 * The panels look at their nodes several times a second. Widgets change in many ways (typing, undo, loading, other extensions,
 * both renderers) and not all of them call a callback; reading a dozen values costs nothing.
 */
function tick(): void {
  if (document.hidden) return
  for (const [node, panel] of panels) if (isAlive(node)) panel.tick()
}

/** A new node of ours, from a file too. */
export function created(node: GraphNode): void {
  if (!isAlive(node) && node.graph === null) return // it went while this was loaded
  const kind = nodeClass(node)
  if (kind === 'SDGenTemplate') {
    panels.set(node, new TemplatePanel(node, () => void library.look(true)))
    offerFiles(node)
  } else if (kind === 'SDGenSessionPlan') panels.set(node, new PlanPanel(node, sessions))
  else {
    if (kind === 'SDGenSessionSave' || kind === 'SDGenScoreImage') hideWidget(node, 'item') // set by the server for each image
    return
  }
  onRemoved(node, () => {
    panels.get(node)?.removed?.()
    panels.delete(node)
  })
}

/** The server told of a session before this was loaded. */
export function sessionTold(detail: unknown): void {
  sessions.receive(detail as Session)
}

/** Look for new sessions in the user's folders. */
export function importSessions(): void {
  void imports.press()
}

/** The user has ComfyUI read its node definitions again. */
export function refreshed(): Promise<void> {
  return library.look(true)
}

/** Begin; called once. */
export function start(): void {
  const style = document.createElement('style')
  style.dataset.sdgen = ''
  style.textContent = css
  document.head.append(style)
  sessions.start()
  imports.start()
  setInterval(tick, TICK_MS)
  // Template files are edited outside of the page: what changes in their folders is seen while the page is.
  setInterval(() => {
    if (!document.hidden && [...panels.keys()].some(isAlive)) void library.look()
  }, LOOK_MS)
  onMessage('reconnected', () => void library.look(true))
  // Files outside of the folders count too, and are looked at when the user comes back to the page.
  window.addEventListener('focus', () => void library.look(true))
  // The server also sends the planner's status as plain text, for pages without this script; here the panel shows it.
  intercept('progress_text', (detail) => {
    const id = (detail as { nodeId?: string } | null)?.nodeId ?? ''
    return [...panels].some(([node, panel]) => panel instanceof PlanPanel && (id === String(node.id) || id.endsWith(`:${node.id}`)))
  })
  void library.look(true)
}
