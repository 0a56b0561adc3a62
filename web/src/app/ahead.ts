/**
 * The first results are asked for while the application is still on its way: this needs neither Vue nor anything else that takes long
 * to come.
 */

import { readView } from './address'
import { asking, type Card, idsRoute } from './api'
import type { components } from './openapi'
import type { Platform } from './platform'
import { within } from './question'

/** As many cards as fit on most screens. */
const CARDS = 60

/** `platform`, of which the images that the page's address shows are asked for already; the first who asks has that answer. */
export function askingAhead(platform: Platform): Platform {
  const { screen, session, q, sort } = readView(platform.address())
  if (screen !== 'images') return platform
  const route = idsRoute(within(session, q), sort)
  let answer: Promise<Response> | undefined = platform.fetch(route)
  return {
    ...platform,
    // Whatever goes wrong, the application asks for what is not there.
    firstCards: answer.then((response) => cardsOf(platform, response.clone())).catch(() => []),
    fetch(asked, options) {
      const mine = asked === route ? answer : undefined
      if (!mine) return platform.fetch(asked, options)
      answer = undefined
      return mine
    }
  }
}

async function cardsOf(platform: Platform, found: Response): Promise<Card[]> {
  if (!found.ok) return []
  const ids = [...new Int32Array(await found.arrayBuffer()).subarray(0, CARDS)]
  if (!ids.length) return []
  const answer = (await (await platform.fetch('/sdgen/images/cards', asking({ ids }))).json()) as components['schemas']['Cards']
  return answer.images
}
