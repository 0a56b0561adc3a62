import { expect, it } from 'vitest'

import { stepOf } from '../../src/app/stores/step'
import { textsIn } from '../../src/app/texts'

it('speaks the language that is asked for, in any region, and English where it has no other', async () => {
  for (const [asked, spoken] of [['en', 'en'], ['fr', 'fr'], ['fr-CA', 'fr'], ['FR', 'fr'], ['de', 'en'], ['', 'en']] as const)
    expect((await textsIn(asked)).language, asked).toBe(spoken)
})

const STEPS: [label: string, english: string, french: string][] = [
  ['mark: trash, 3 images', '3 images: marked as trash', '3 images : marque « corbeille »'],
  ['mark: cleared, 1 image', '1 image: no mark', '1 image : sans marque'],
  ['rating: 4, 2 images', '2 images: rated 4 of 5', '2 images : note 4 sur 5'],
  ['rating: dislike, 1 session', '1 session: disliked', "1 session : je n'aime pas"],
  ['failed: yes, 1 image', '1 image: failed as a whole', '1 image : raté en entier'],
  ['note: red: yes, 2 images\nand more, 1 image', '1 image: note written', '1 image : remarque écrite'],
  ['tag a: b: yes, 1200 images', '1,200 images: tag “a: b” added', '1 200 images : étiquette « a: b » ajoutée'],
  ['tag sky: cleared, 2 sessions', '2 sessions: tag “sky” removed', '2 sessions : étiquette « sky » retirée'],
  ['value Hair Colour: no-effect, 1 image', '1 image: verdict on Hair Colour: no effect', '1 image : verdict sur Hair Colour : sans effet'],
  ['value Hair: cleared, 1 image', '1 image: verdict on Hair removed', '1 image : verdict sur Hair retiré'],
  ['complete: no, 1 session', '1 session: incomplete', '1 session : pas complet'],
  ['name: My best, 1 session', '1 session: renamed', '1 session : nouveau nom']
]

it.each(STEPS)('says the step %j in each language', async (label, english, french) => {
  const step = stepOf(label)
  if (!step) throw new Error('of unknown form')
  expect((await textsIn('en')).step(step)).toBe(english)
  expect((await textsIn('fr')).step(step).replace(/\s/g, ' ')).toBe(french)
})

it('knows no step of another form', () => {
  for (const label of ['import of judgements.jsonl', 'query mark: trash', 'sidecars: 3 judgements', '']) expect(stepOf(label), label).toBeNull()
})

it('says the problems that people meet in their language, and all others as the server does', async () => {
  const [english, french] = [await textsIn('en'), await textsIn('fr')]
  expect(english.problem('disk-full', 'the zip cannot be written')).toBe('the zip cannot be written')
  expect(french.problem('disk-full', 'the zip cannot be written')).toBe("Il n'y a plus assez de place sur le disque")
  expect(french.problemHint('disk-full', '', 'Free some space.')).toContain('Libérez de la place')
  expect(french.problem('unknown-item', 'there is no image 7')).toBe("Cette image n'est plus là")
  expect(french.problem('unknown-item', "there is no placeholder 'Hat'")).toBe("there is no placeholder 'Hat'")
  expect(french.problemHint('bad-query', 'column 3: …', 'Say it otherwise.')).toBe('Say it otherwise.')
})
