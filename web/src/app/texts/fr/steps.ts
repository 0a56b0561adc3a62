import type { Step } from '../../stores/step'

const MARKS: Record<string, string> = { favourite: 'favori', interesting: 'intéressant', trash: 'corbeille' }
const VERDICTS: Record<string, string> = { ok: 'OK', partial: 'en partie', ko: 'KO', 'no-effect': 'sans effet', unintended: 'non voulu' }
const OPINIONS: Record<string, string> = { like: "j'aime", dislike: "je n'aime pas" }

const WHAT: Record<Step['kind'], (value: string | null, name: string) => string> = {
  mark: (value) => (value === null ? 'sans marque' : `marque « ${MARKS[value] ?? value} »`),
  rating: (value) => (value === null ? 'sans note' : (OPINIONS[value] ?? `note ${value} sur 5`)),
  failed: (value) => (value === null ? 'plus de raté' : 'raté en entier'),
  note: (value) => (value === null ? 'remarque retirée' : 'remarque écrite'),
  tag: (value, name) => `étiquette « ${name} » ${value === null ? 'retirée' : 'ajoutée'}`,
  value: (value, name) => `verdict sur ${name}${value === null ? ' retiré' : ` : ${VERDICTS[value] ?? value}`}`,
  favourite: (value) => (value === null ? 'plus de favori' : 'favori'),
  test: (value) => (value === null ? "plus d'essai" : 'essai'),
  complete: (value) => (value === null ? 'comme compté' : value === 'yes' ? 'complet' : 'pas complet'),
  name: (value) => (value === null ? "nom d'origine" : 'nouveau nom')
}

/** A step of the history. */
export const step = ({ kind, of, count, name, value }: Step): string => `${count.toLocaleString('fr')} ${count < 2 ? of : `${of}s`} : ${WHAT[kind](value, name)}`
