import { describe, expect, it } from 'vitest'

import { askingAhead } from '../../src/app/ahead'
import type { Platform } from '../../src/app/platform'

/** Stands for the server: answers every question of a kind with the same. */
function served(address: string, ids: Response, cards: Response = Response.json({ images: [{ id: 7 }] })): { platform: Platform; asked: [string, RequestInit | undefined][] } {
  const asked: [string, RequestInit | undefined][] = []
  const fetch = (route: string, options?: RequestInit): Promise<Response> => {
    asked.push([route, options])
    return Promise.resolve(route.startsWith('/sdgen/images/ids') ? ids.clone() : cards.clone())
  }
  return { platform: { address: () => address, fetch } as unknown as Platform, asked }
}

const found = (...ids: number[]): Response => new Response(new Int32Array(ids))

describe('what is asked ahead', () => {
  it('is what the address shows, and whoever asks for it first has the answer', async () => {
    const { platform, asked } = served('/images?session=a+b&q=is%3Amarked&sort=seed', found(7, 9))
    const ahead = askingAhead(platform)
    expect(asked.map(([route]) => route)).toEqual(['/sdgen/images/ids?q=session%3A%22a+b%22+is%3Amarked&sort=seed'])
    expect(await ahead.firstCards).toEqual([{ id: 7 }])
    expect(asked[1]?.[1]?.body).toBe('{"ids":[7,9]}')

    const route = asked[0]?.[0] ?? ''
    expect(new Int32Array(await (await ahead.fetch(route)).arrayBuffer())).toEqual(new Int32Array([7, 9]))
    expect(asked).toHaveLength(2)
    await ahead.fetch(route)
    expect(asked).toHaveLength(3)
  })

  it('is nothing where no images are shown', () => {
    const { platform, asked } = served('/sessions', found())
    expect(askingAhead(platform)).toBe(platform)
    expect(asked).toEqual([])
  })

  it('leaves errors to who asks for it', async () => {
    const { platform, asked } = served('/images?q=(', Response.json({ error: 'bad-query' }, { status: 400 }))
    const ahead = askingAhead(platform)
    expect(await ahead.firstCards).toEqual([])
    expect((await ahead.fetch('/sdgen/images/ids?q=%28')).status).toBe(400)
    expect(asked).toHaveLength(1)

    const away = { address: () => '/images', fetch: () => Promise.reject(new TypeError('no network')) } as unknown as Platform
    const lost = askingAhead(away)
    expect(await lost.firstCards).toEqual([])
    await expect(lost.fetch('/sdgen/images/ids')).rejects.toThrow('no network')
  })
})
