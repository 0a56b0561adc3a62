/**
 * ComfyUI's page as SDGen sees it: the only file that talks to the frontend's API.
 *
 * Written for the frontends 1.32 to 1.58, with both ways in which they draw nodes (canvas, and Vue components). Types are our own
 * and name only what is used, so that a frontend's own types need not be installed. What may be missing in some version has a
 * fallback here, and nowhere else.
 */

// The frontend serves these two modules itself; they stay imports in the build.
import { app as comfyApp } from '/scripts/app.js'
import { api as comfyApi } from '/scripts/api.js'

export interface Widget {
  name: string
  value: unknown
  serialize?: boolean
  hidden?: boolean
  options?: { hidden?: boolean; values?: unknown }
  callback?: (value: unknown) => void
}

interface Slot {
  name: string
  link?: number | null
}

export interface GraphNode {
  id: number | string
  title: string
  type?: string
  comfyClass?: string
  widgets?: Widget[]
  inputs?: Slot[]
  size: [number, number]
  flags?: { collapsed?: boolean }
  graph?: Graph | null
  pos: [number, number]
  getInputNode(slot: number): GraphNode | null
  addDOMWidget(name: string, type: string, element: HTMLElement, options: object): Widget
  computeSize(): [number, number]
  setSize(size: [number, number]): void
  setDirtyCanvas?(foreground: boolean, background: boolean): void
  /** How the canvas outlines the node, by reason; each is asked whenever the node is drawn. */
  strokeStyles?: Record<string, () => { color: string; lineWidth?: number; padding?: number } | undefined>
  onExecuted?: (output: Record<string, unknown>) => void
  onRemoved?: () => void
}

interface Graph {
  id?: string
  rootGraph?: Graph
  nodes?: GraphNode[]
  add?(node: GraphNode): void
}

interface ExtensionManager {
  setting?: { get(id: string): unknown }
  registerSidebarTab?(tab: { id: string; title: string; tooltip: string; icon: string; type: 'custom'; render(place: HTMLElement): void }): void
  toast?: { add(message: { severity: Severity; summary: string; detail: string; life?: number }): void }
  workflow?: { activeWorkflow?: { changeTracker?: { captureCanvasState?(): void; checkState?(): void } } | null }
}

interface App {
  registerExtension(extension: {
    name: string
    nodeCreated?(node: GraphNode): void
    setup?(): void
    refreshComboInNodes?(): Promise<void>
    commands?: { id: string; label: () => string; icon?: string; function: () => void }[]
    keybindings?: Binding[]
    settings?: (Setting & { type: 'boolean'; category: string[] })[]
    menuCommands?: { path: string[]; commands: string[] }[]
  }): void
  extensionManager?: ExtensionManager
  handleFile?(file: File, ...more: unknown[]): Promise<void>
  loadGraphData?(workflow: object, clean: boolean, restoreView: boolean, name: string): Promise<void>
  loadApiJson?(prompt: object, name: string): Promise<void> | void
  canvas?: Canvas
}

interface Canvas {
  graph?: Graph | null
  canvas?: HTMLCanvasElement
  ds?: { scale: number; offset: [number, number] }
  selected_nodes?: Record<string, GraphNode>
  processMouseWheel?(event: WheelEvent): void
}

interface Api extends EventTarget {
  dispatchCustomEvent?(kind: string, detail?: unknown): boolean
  fetchApi(route: string, options?: RequestInit): Promise<Response>
  apiURL?(route: string): string
}

const app = comfyApp as App
const api = comfyApi as Api

export type Severity = 'success' | 'info' | 'warn' | 'error'

/** An error as SDGen's server reports it; `errors` holds each when a template's files have several. */
interface Reported {
  error?: string
  message?: string
  hint?: string
  errors?: Reported[]
}

export class ServerError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint: string,
    readonly errors: ServerError[] = []
  ) {
    super(message)
  }

  static from({ error, message, hint, errors }: Reported, otherwise: string): ServerError {
    const each = (errors ?? []).map((one) => ServerError.from(one, otherwise))
    return new ServerError(error ?? 'server-error', message ?? otherwise, hint ?? '', each)
  }
}

/**
 * What SDGen adds: `started` is called once the page is ready, `created` for each new node, from a file too, `refreshed` when the user
 * has ComfyUI read its node definitions again (the key R). `commands` are in ComfyUI's menu, under SDGen, and in its command palette.
 */
export interface Extension {
  started: () => void
  created: (node: GraphNode) => void
  refreshed: () => Promise<void>
  commands: readonly Command[]
  settings: readonly Setting[]
}

let bound: Binding[] = []

/** Register SDGen with ComfyUI's page. */
export function register({ started, created, refreshed, commands, settings }: Extension): void {
  bound = commands.flatMap(({ id, key }) => (key ? [{ commandId: id, combo: key }] : []))
  app.registerExtension({
    name: 'SDGen',
    setup: started,
    nodeCreated: created,
    refreshComboInNodes: refreshed,
    commands: commands.map(({ id, label, icon, press }) => ({ id, label, icon, function: press })),
    keybindings: bound,
    settings: settings.map((one) => ({ ...one, type: 'boolean', category: ['SDGen', 'SDGen', one.id] })),
    menuCommands: [{ path: ['SDGen'], commands: commands.map(({ id }) => id) }]
  })
}

/** Something the user can do from anywhere; `icon` is a class of PrimeIcons. */
export interface Command {
  id: string
  label: () => string
  icon: string
  press: () => void
  key?: { key: string; alt?: boolean }
}

/** A switch in ComfyUI's settings. Names in other languages are in `locales`. */
export interface Setting {
  id: string
  name: string
  tooltip: string
  defaultValue: boolean
}

/** Whether a switch of ours is on. */
export function isOn(setting: string): boolean {
  return app.extensionManager?.setting?.get(setting) !== false
}

/** The class of a node, as the server names it. */
export function nodeClass(node: GraphNode): string {
  return node.comfyClass ?? node.type ?? ''
}

// ---- nodes -----------------------------------------------------------------------------------------------------------------

const PANEL_MARGIN = 20

/**
 * Show `element` at the bottom of `node`. It is no input: neither the saved workflow nor the prompt has a value of it.
 * `height()` is the height in pixels that it needs; the node grows by itself when it is too small.
 */
export function addPanel(node: GraphNode, element: HTMLElement, height: () => number): void {
  const widget = node.addDOMWidget('sdgen_panel', 'sdgen_panel', element, {
    serialize: false,
    hideOnZoom: false,
    getValue: () => '',
    setValue: () => undefined,
    getMinHeight: () => height() + PANEL_MARGIN
  })
  widget.serialize = false
  element.addEventListener('wheel', (event) => {
    const scrolls = element.scrollHeight > element.clientHeight + 1 && !event.ctrlKey
    if (scrolls) event.stopPropagation()
    else {
      event.preventDefault()
      app.canvas?.processMouseWheel?.(event)
    }
  })
}

/**
 * Put a node's panel where its predecessor still is. Undo makes every node anew, but frontends that draw nodes as components go on
 * showing the old node's element.
 */
export function keepShown(node: GraphNode, element: HTMLElement): void {
  if (element.isConnected || node.graph !== app.canvas?.graph) return
  document.querySelector(`[data-node-id="${node.id}"] .sdgen-panel`)?.replaceWith(element)
}

/** Draw the node again after its panel has changed; a node that has become too small for it grows. */
export function redraw(node: GraphNode): void {
  const needed = node.flags?.collapsed ? 0 : node.computeSize()[1]
  if (node.size[1] < needed) node.setSize([node.size[0], needed])
  node.setDirtyCanvas?.(true, true)
}

/** Whether the node is still part of a graph. */
export function isAlive(node: GraphNode): boolean {
  return node.graph !== null && node.graph !== undefined
}

/** The value of a widget as text; empty when there is none. */
export function widgetText(node: GraphNode, name: string): string {
  const value = node.widgets?.find((widget) => widget.name === name)?.value
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
}

/** Do not show a widget; it keeps its value and its place in the saved workflow. */
export function hideWidget(node: GraphNode, name: string): void {
  const widget = node.widgets?.find((candidate) => candidate.name === name)
  if (!widget) return
  widget.hidden = true
  if (widget.options) widget.options.hidden = true
}

/** Set a widget as if the user had: it can be undone, and is in the draft that a reload of the page opens. */
export function setWidget(node: GraphNode, name: string, value: unknown): void {
  const widget = node.widgets?.find((candidate) => candidate.name === name)
  if (!widget) return
  widget.value = value
  widget.callback?.(value)
  redraw(node)
  noteChange()
}

/** Have the frontend note what was changed, for undo and for its draft. */
function noteChange(): void {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker
  if (tracker?.captureCanvasState) tracker.captureCanvasState()
  else tracker?.checkState?.()
}

/** What a list widget offers. */
export function setOptions(node: GraphNode, name: string, values: string[]): void {
  const widget = node.widgets?.find((candidate) => candidate.name === name)
  if (widget?.options) widget.options.values = values
}

/**
 * Outline a node in red, or no longer. Frontends that draw nodes as components take it from the panel's class (see the style sheet);
 * ComfyUI's own marks, from a run, are left alone.
 */
export function markWrong(node: GraphNode, panel: HTMLElement, wrong: boolean): void {
  panel.classList.toggle('sdgen-wrong', wrong)
  if (node.strokeStyles) node.strokeStyles.sdgen = () => (wrong ? { color: '#e0443e', lineWidth: 3, padding: 8 } : undefined)
  node.setDirtyCanvas?.(true, true)
}

/** The node that feeds an input, looked for behind reroutes; null when nothing is connected. */
export function source(node: GraphNode, input: string): GraphNode | null {
  const slot = node.inputs?.findIndex((candidate) => candidate.name === input) ?? -1
  if (slot < 0) return null
  let found = feeding(node, slot)
  for (let steps = 0; found && nodeClass(found) === 'Reroute' && steps < 50; steps++) found = feeding(found, 0)
  return found
}

function feeding(node: GraphNode, slot: number): GraphNode | null {
  try {
    return node.getInputNode(slot)
  } catch {
    return null // an end of the link is being removed just now
  }
}

/** The checkpoint that a loader beside `node` has chosen itself; empty when another node tells it, or there is no loader. */
export function loadedCheckpoint(node: GraphNode): string {
  const loader = node.graph?.nodes?.find((one) => widgetText(one, 'ckpt_name') && !source(one, 'ckpt_name'))
  return loader ? widgetText(loader, 'ckpt_name') : ''
}

/** A name for a node that stays the same when its workflow is loaded again. */
export function lastingId(node: GraphNode): string {
  const root = node.graph?.rootGraph ?? node.graph
  return `${root?.id ?? ''}/${node.graph === root ? '' : (node.graph?.id ?? '')}/${node.id}`
}

/** Call `handle` with the node's own output (its `ui`) after each of its executions. */
export function onExecuted(node: GraphNode, handle: (output: Record<string, unknown>) => void): void {
  const before = node.onExecuted
  node.onExecuted = function (output) {
    before?.call(node, output)
    handle(output)
  }
}

/** Call `handle` when the node is taken off the canvas. */
export function onRemoved(node: GraphNode, handle: () => void): void {
  const before = node.onRemoved
  node.onRemoved = function () {
    before?.call(node)
    handle()
  }
}

// ---- server ----------------------------------------------------------------------------------------------------------------

/** GET one of SDGen's routes. Throws `ServerError`. */
export function get(route: string): Promise<unknown> {
  return call(route, { cache: 'no-store' })
}

/** POST to one of SDGen's routes; the header tells a request of ours from one of a foreign page. Throws `ServerError`. */
export function post(route: string, body: object, signal?: AbortSignal): Promise<unknown> {
  return call(route, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-SDGen': '1' },
    body: JSON.stringify(body),
    ...(signal && { signal })
  })
}

/** GET a file from one of SDGen's routes. Throws `ServerError`. */
export async function getFile(route: string, signal: AbortSignal): Promise<Blob> {
  const response = await api.fetchApi(route, { cache: 'no-store', signal })
  if (!response.ok) await read(response)
  return response.blob()
}

/** A route as an address that another tab of the browser can open. */
export function address(route: string): string {
  return api.apiURL?.(route) ?? route
}

/** Ask the server for one of our routes, whatever the answer. */
export function fetchRoute(route: string, options?: RequestInit): Promise<Response> {
  return api.fetchApi(route, options)
}

async function call(route: string, options: RequestInit): Promise<unknown> {
  return read(await api.fetchApi(route, options))
}

async function read(response: Response): Promise<unknown> {
  const text = await response.text()
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw new ServerError('server-error', `${response.status} ${response.statusText}`, '')
  }
  if (response.ok) return answer
  throw ServerError.from(answer as Reported, response.statusText)
}

/** Call `handle` with each message of this kind that the server sends to the page; gives the function that stops it. */
export function onMessage(kind: string, handle: (detail: unknown) => void, options: { once?: boolean } = {}): () => void {
  const listener = (event: Event): void => {
    handle((event as CustomEvent<unknown>).detail)
  }
  api.addEventListener(kind, listener, options)
  return () => {
    api.removeEventListener(kind, listener)
  }
}

/** Keep the frontend from seeing the messages of this kind for which `ours` is true. It listens before we can. */
export function intercept(kind: string, ours: (detail: unknown) => boolean): void {
  const dispatch = api.dispatchCustomEvent?.bind(api)
  if (!dispatch) return
  api.dispatchCustomEvent = (type, detail) => (type === kind && ours(detail) ? true : dispatch(type, detail))
}

// ---- page ------------------------------------------------------------------------------------------------------------------

/**
 * Open a file that is dropped on the canvas as the workflow that `workflowOf` finds in it. Frontends around 1.32 look at an image's
 * A1111 parameters first and never reach the workflow beside them.
 */
export function openAsWorkflow(workflowOf: (file: File) => Promise<object | null>): void {
  const [handle, load] = [app.handleFile?.bind(app), app.loadGraphData?.bind(app)]
  if (!handle || !load) return
  app.handleFile = async (file, ...more) => {
    const workflow = await workflowOf(file)
    await (workflow ? load(workflow, true, true, file.name.replace(/\.\w+$/, '')) : handle(file, ...more))
  }
}

/** Open a workflow on the canvas, in a tab of its own called `name`. */
export async function openWorkflow(workflow: object, name: string): Promise<void> {
  await app.loadGraphData?.(workflow, true, true, name)
}

/** Open a graph in its API form on the canvas. The frontend places its nodes. */
export async function openGraph(prompt: object, name: string): Promise<void> {
  await app.loadApiJson?.(prompt, name)
}

/**
 * Have a file of the input folder in a node that loads images: in those that are selected, or in a new one in the middle of the canvas.
 * Gives the node's title; empty where there is no canvas.
 */
export function loadInNode(file: string): string {
  const { canvas } = app
  const chosen = Object.values(canvas?.selected_nodes ?? {}).filter(loadsImages)
  const nodes = chosen.length ? chosen : newLoader()
  for (const node of nodes) {
    const values = node.widgets?.find(({ name }) => name === 'image')?.options?.values
    if (Array.isArray(values) && !values.includes(file)) values.push(file)
    setWidget(node, 'image', file)
  }
  return nodes[0]?.title ?? ''
}

function loadsImages(node: GraphNode): boolean {
  return nodeClass(node).startsWith('LoadImage') && (node.widgets ?? []).some(({ name }) => name === 'image')
}

function newLoader(): GraphNode[] {
  const { canvas } = app
  const node = (globalThis as { LiteGraph?: { createNode(kind: string): GraphNode | null } }).LiteGraph?.createNode('LoadImage')
  if (!node || !canvas?.graph?.add) return []
  const { offset = [0, 0], scale = 1 } = canvas.ds ?? {}
  const [wide, tall] = [canvas.canvas?.clientWidth ?? 0, canvas.canvas?.clientHeight ?? 0]
  node.pos = [wide / 2 / scale - offset[0] - node.size[0] / 2, tall / 2 / scale - offset[1] - node.size[1] / 2]
  canvas.graph.add(node)
  return [node]
}

/** Queue a graph in its API form, with the canvas that it comes from. */
export async function queueGraph(prompt: object, workflow: object | null): Promise<void> {
  const body = { prompt, ...(workflow && { extra_data: { extra_pnginfo: { workflow } } }) }
  await read(await api.fetchApi('/prompt', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }))
}

/** Add a tab to the sidebar; `show` is called with the element to fill, perhaps several times with different ones. */
export function addSideTab(tab: { id: string; title: string; icon: string; show: (place: HTMLElement) => void }): void {
  const { id, title, icon, show } = tab
  app.extensionManager?.registerSidebarTab?.({ id, title, tooltip: title, icon, type: 'custom', render: show })
}

interface Binding {
  commandId: string
  combo: { key: string; ctrl?: boolean; alt?: boolean; shift?: boolean; meta?: boolean }
}

/** Whether a key runs one of our commands, as the user has bound it. */
export function isKeyOf(event: KeyboardEvent, command: string): boolean {
  const said = (name: string): Binding[] => (app.extensionManager?.setting?.get(`Comfy.Keybinding.${name}`) as Binding[] | undefined) ?? []
  const ours = ({ commandId, combo }: Binding): boolean =>
    commandId === command &&
    combo.key.toLowerCase() === event.key.toLowerCase() &&
    Boolean(combo.ctrl) === (event.ctrlKey || event.metaKey) &&
    Boolean(combo.alt) === event.altKey &&
    Boolean(combo.shift) === event.shiftKey
  return [...bound, ...said('NewBindings')].some(ours) && !said('UnsetBindings').some(ours)
}

/** A short message in the corner of the page. */
export function toast(severity: Severity, summary: string, detail: string): void {
  app.extensionManager?.toast?.add({ severity, summary, detail, ...(severity !== 'error' && { life: 8000 }) })
}

/** The language that the user chose in ComfyUI, such as `en` or `fr`. */
export function locale(): string {
  const chosen = app.extensionManager?.setting?.get('Comfy.Locale')
  return typeof chosen === 'string' && chosen ? chosen : 'en'
}
