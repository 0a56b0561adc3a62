/** The server's routes, typed by its own OpenAPI document. */

import type { components } from './openapi'
import type { Platform } from './platform'
import type { Texts } from './texts'

type Schemas = components['schemas']

export type Card = Schemas['Card']
export type ImageDetails = Schemas['ImageDetails']
export type Facets = Schemas['Facets']
export type CatalogState = Schemas['CatalogState']
export type Judged = Schemas['Judged']
export type Turned = Schemas['Turned']

/** An error as the server reports it. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint: string,
    /** Names that may be meant. */
    readonly nearest: readonly string[] = []
  ) {
    super(message)
  }
}

type Query = Record<string, string | number | boolean | null | undefined>

function withQuery(route: string, query: Query): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== null && value !== undefined && value !== '') search.set(name, String(value))
  return search.size ? `${route}?${search}` : route
}

/** The route of the ids of everything that a query finds, in order: int32, one behind the other. */
export const idsRoute = (q: string, sort: string): string => withQuery('/sdgen/images/ids', { q, sort })

/** A request with a JSON body; the header tells it from one of a foreign page. */
export const asking = (body: object): RequestInit => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json', 'X-SDGen': '1' },
  body: JSON.stringify(body)
})

export class Api {
  constructor(
    readonly platform: Platform,
    private readonly texts: Texts
  ) {}

  /** The ids of everything that a query finds, in order. */
  async ids(q: string, sort: string, signal?: AbortSignal): Promise<Int32Array> {
    const response = await this.ask(idsRoute(q, sort), signal && { signal })
    return new Int32Array(await response.arrayBuffer())
  }

  /** What lists show of images, in the order of their ids; unknown ids are left out. */
  async cards(ids: readonly number[], signal?: AbortSignal): Promise<Card[]> {
    return (await this.post<Schemas['Cards']>('/sdgen/images/cards', { ids }, signal)).images
  }

  image(id: number, signal?: AbortSignal): Promise<ImageDetails> {
    return this.get(`/sdgen/images/${id}`, {}, signal)
  }

  /** The original file. */
  async file(id: number): Promise<Blob> {
    return (await this.ask(`/sdgen/images/${id}/file`)).blob()
  }

  metadata(id: number): Promise<Schemas['Metadata']> {
    return this.get(`/sdgen/images/${id}/metadata`)
  }

  facets(q: string, signal?: AbortSignal): Promise<Facets> {
    return this.get('/sdgen/facets', { q }, signal)
  }

  catalog(): Promise<CatalogState> {
    return this.get('/sdgen/catalog')
  }

  /** Say `value` (null clears it) of `field` about images, as one step. */
  judge(ids: readonly number[], field: string, value: string | null): Promise<Judged> {
    return this.post('/sdgen/judge', { ids, field, value })
  }

  judgeSessions(sessions: readonly string[], field: string, value: string | null): Promise<Judged> {
    return this.post('/sdgen/judge/sessions', { sessions, field, value })
  }

  undo(): Promise<Turned> {
    return this.post('/sdgen/undo', {})
  }

  redo(): Promise<Turned> {
    return this.post('/sdgen/redo', {})
  }

  /** GET a route that answers with JSON. Throws `ApiError`. */
  async get<T>(route: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
    return (await (await this.ask(withQuery(route, query), signal && { signal })).json()) as T
  }

  /** POST to a route. Throws `ApiError`. */
  async post<T>(route: string, body: object, signal?: AbortSignal): Promise<T> {
    const response = await this.ask(route, { ...asking(body), ...(signal && { signal }) })
    return (await response.json()) as T
  }

  private async ask(route: string, options: RequestInit = {}): Promise<Response> {
    const response = await this.platform.fetch(route, options).catch((error: unknown) => {
      throw options.signal?.aborted ? error : new ApiError('no-answer', this.texts.noServer, '')
    })
    if (response.ok) return response
    let told: { error?: string; message?: string; hint?: string; nearest?: string[] } = {}
    try {
      told = (await response.json()) as typeof told
    } catch {
      // Not ours: a proxy's page, say.
    }
    const { error: code = 'server-error', message = `${response.status} ${response.statusText}`, hint = '' } = told
    throw new ApiError(code, this.texts.problem(code, message), this.texts.problemHint(code, message, hint), told.nearest)
  }
}
