/** Pictures that are loaded and decoded before they are wanted: what is shown next is painted at once. */

import type { Card } from '../api'

/** Images to each side of the one that is looked at. */
export const AHEAD = 3

export interface Picture {
  readonly element: HTMLImageElement
  /** `ready`: decoded, so that showing it costs nothing. */
  state: 'loading' | 'ready' | 'failed'
  readonly done: Promise<void>
}

/** An image that may be looked at next, and what is known of it. */
export interface Near {
  id: number
  card: Card | undefined
}

type Load = (url: string) => Picture

/** Load a picture and decode it. */
export function load(url: string): Picture {
  const element = new Image()
  element.decoding = 'async'
  element.draggable = false
  element.alt = ''
  element.src = url
  const picture: Picture = {
    element,
    state: 'loading',
    done: element.decode().then(
      () => void (picture.state = 'ready'),
      () => void (picture.state = 'failed')
    )
  }
  return picture
}

/** The pictures around a place: those that are no longer near are let go. */
export class Pictures {
  private readonly kept = new Map<string, Picture>()

  constructor(private readonly begin: Load = load) {}

  /** The picture at an address; it is loaded if it is not yet. */
  get(url: string): Picture {
    let picture = this.kept.get(url)
    if (!picture || picture.state === 'failed') {
      picture = this.begin(url)
      this.kept.set(url, picture)
    }
    return picture
  }

  /** Have these soon, the most urgent first, and no others. The next one begins when the one before is there. */
  async want(urls: readonly string[]): Promise<void> {
    for (const [url, { element, state }] of this.kept) {
      if (urls.includes(url)) continue
      if (state === 'loading') element.src = '' // the connection is for what is wanted
      this.kept.delete(url)
    }
    const mine = (this.last = urls)
    for (const url of urls) {
      await this.get(url).done
      if (this.last !== mine) return
    }
  }

  private last: readonly string[] = []

  /** How many pictures are held. */
  get size(): number {
    return this.kept.size
  }
}

/** The places around one, the nearest first, those ahead before those behind. */
export function around(place: number, total: number, ahead = AHEAD): number[] {
  const out: number[] = []
  for (let by = 1; by <= ahead; by++) for (const at of [place + by, place - by]) if (at >= 0 && at < total) out.push(at)
  return out
}
