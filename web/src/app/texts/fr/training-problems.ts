/** What is wrong with a training, by its code: in a sentence, and what to do. `named`: the server's own sentence says of what, and stays behind it. */
interface Told {
  says: string
  help: string
  named?: true
}

const MEMORY = 'Prenez un préréglage pour moins de mémoire, des images plus petites, ou activez gradient_checkpointing.'
const RATE = 'Baissez learning_rate, ou prenez une autre précision ; un état enregistré avant permet de continuer.'
const LOG = 'Le journal en dit plus.'
const OPTION = 'Corrigez l’option nommée.'
const SET = 'Vérifiez le jeu d’images, ou refaites-le.'

const TOLD: Record<string, Told> = {
  // ---- asked for ----
  'unknown-run': { says: 'Cet entraînement n’est plus là', help: 'Il a été retiré de la liste.' },
  'unknown-item': { says: 'Ceci n’est plus là', help: '', named: true },
  'unknown-trainer': { says: 'Cet entraîneur n’existe pas', help: '', named: true },
  'bad-run-state': { says: 'L’entraînement n’est pas dans un état qui le permet', help: '', named: true },
  'nothing-saved': { says: 'Aucun état n’est enregistré d’où continuer', help: 'Recommencez-le ; avec des états enregistrés en chemin il pourra continuer.' },
  'needs-comfyui': { says: 'Ceci demande ComfyUI', help: '' },
  'ledger-unusable': { says: 'La liste des entraînements ne peut pas être lue ou écrite', help: 'Vérifiez les droits et la place libre du dossier d’entraînement.' },
  'bad-recipe': { says: 'Ces indications ne vont pas ensemble', help: '', named: true },
  'bad-query': { says: 'Cette recherche ne se lit pas', help: '', named: true },
  'unknown-placeholder': { says: 'Cet emplacement n’est dans aucune session', help: 'Importez d’abord des sessions qui l’ont.', named: true },
  'unknown-value': { says: 'Cette valeur n’est dans aucune session', help: 'Importez d’abord des sessions qui l’ont.', named: true },
  'no-images': { says: 'Il n’y a aucune image dont apprendre', help: 'Ajoutez des sessions, notez-les ou jugez-les, ou baissez le minimum.' },
  'inside-gallery': { says: 'Le dossier d’entraînement est parmi les sessions', help: 'Choisissez-en un autre dans les réglages (training_folder).' },
  'no-links': { says: 'Les images ne peuvent pas être liées', help: '', named: true },
  'disk-full': { says: 'Il n’y a plus assez de place sur le disque', help: 'Libérez de la place, puis recommencez ou continuez à partir du dernier état.' },
  'unwritable-folder': { says: 'Un dossier ne peut pas être écrit', help: 'Vérifiez les droits, et qu’aucun autre programme n’a ouvert un de ses fichiers.', named: true },
  // ---- what it is made with ----
  'bad-option': { says: 'Une option ne convient pas', help: OPTION, named: true },
  'bad-training-option': { says: 'Une option ne convient pas', help: OPTION, named: true },
  'bad-training': { says: 'Ainsi, l’entraînement ne peut pas commencer', help: OPTION, named: true },
  refused: { says: 'sd-scripts refuse ces réglages', help: OPTION, named: true },
  'bad-base-model': { says: 'Ce modèle ne peut pas être entraîné', help: 'Choisissez un checkpoint entier, en safetensors, d’une famille que l’entraîneur connaît.', named: true },
  'missing-file': { says: 'Un fichier manque', help: '', named: true },
  'not-a-dataset': { says: 'Ce n’est pas un jeu d’images entier', help: SET, named: true },
  'bad-data-config': { says: 'La description du jeu d’images est fausse', help: SET, named: true },
  'bad-caption': { says: 'Une légende est vide ou ne se lit pas', help: 'Enregistrez-la en UTF-8.', named: true },
  'empty-caption': { says: 'Une légende est vide', help: 'Écrivez ce que l’image montre, ou donnez un mot déclencheur.' },
  'no-caption': { says: 'Une image n’a pas de légende', help: 'Écrivez-en une à côté, dans un fichier .txt.' },
  'long-caption': { says: 'Une légende est plus longue que ce que le modèle lit', help: 'Raccourcissez-la.', named: true },
  'many-lines': { says: 'Seule la première ligne de la légende est lue', help: 'Mettez tout sur une ligne.' },
  'no-trigger': { says: 'Une légende n’a pas le mot déclencheur', help: '', named: true },
  'bad-image': { says: 'Une image est abîmée', help: SET, named: true },
  'broken-image': { says: 'Une image est abîmée', help: 'Supprimez-la avec sa légende.' },
  'few-images': { says: 'Il y a peu d’images', help: 'Ajoutez-en ; sinon, entraînez peu de pas.', named: true },
  'many-duplicates': { says: 'Beaucoup d’images se ressemblent', help: '', named: true },
  'mixed-sizes': { says: 'Les images sont de tailles différentes', help: '', named: true },
  'images-and-captions': { says: 'Il n’y a pas autant de légendes que d’images', help: 'Donnez à chaque image une légende qui n’est pas vide.', named: true },
  'too-small': { says: 'Une image est plus petite que la résolution', help: '', named: true },
  'small-bucket': { says: 'Peu d’images ont cette taille', help: 'Prenez un lot plus petit, ou plus de répétitions.', named: true },
  'odd-resolution': { says: 'La résolution ne convient pas au modèle', help: 'Prenez des multiples de 64.', named: true },
  'same-name': { says: 'Deux images ont le même nom, et donc la même légende', help: 'Renommez-en une.' },
  'training-dtype': { says: 'Ce modèle ne s’entraîne pas dans cette précision', help: 'Choisissez l’autre training_dtype.' },
  // ---- the programs ----
  'kohya-not-found': { says: 'sd-scripts de kohya n’est pas trouvé', help: 'Le réglage kohya_folder dit où il est : le dossier qui contient train_network.py.' },
  'kohya-python': { says: 'Le Python de sd-scripts ne convient pas', help: 'Le réglage kohya_python dit lequel prendre.', named: true },
  'missing-package': { says: 'Un paquet manque dans le Python de sd-scripts', help: 'Installez-le là avec pip, ou mettez kohya_python sur le Python qui l’a.', named: true },
  'no-tokenizer': { says: 'Un tokenizer manque ou ne convient pas', help: 'Recommencez ; sinon vérifiez les fichiers de ComfyUI.', named: true },
  'comfyui-not-found': { says: 'ComfyUI n’est pas trouvé', help: '', named: true },
  'comfyui-too-old': { says: 'Ce ComfyUI est trop ancien pour entraîner', help: 'Mettez-le à jour.', named: true },
  'server-start-failed': { says: 'ComfyUI n’a pas pu démarrer pour l’entraînement', help: LOG, named: true },
  'not-started': { says: 'L’entraîneur n’a pas pu démarrer', help: LOG, named: true },
  'no-gpu': { says: 'La carte graphique ne peut pas être utilisée', help: 'Installez le torch qui convient à la carte et à son pilote.', named: true },
  'no-right': { says: 'Un fichier ne peut pas être lu ou écrit', help: 'Vérifiez les droits, et qu’aucun autre programme ne l’a ouvert.', named: true },
  encoding: { says: 'L’entraîneur n’a pas pu écrire ses propres textes', help: 'Il lui faut PYTHONUTF8=1, que SDGen donne : lancez-le par SDGen.' },
  // ---- how it ended ----
  'out-of-memory': { says: 'La mémoire ne suffit pas pour entraîner ce modèle', help: MEMORY },
  killed: { says: 'Le système a mis fin à l’entraînement, sans doute faute de mémoire', help: 'Fermez d’autres programmes, ou prenez un modèle ou des images plus petits.' },
  stopped: { says: 'L’entraînement a été arrêté de l’extérieur', help: 'Continuez à partir du dernier état.' },
  crashed: { says: 'L’entraîneur s’est effondré', help: 'Mettez torch et le pilote de la carte graphique à jour.' },
  'loss-nan': { says: 'La perte n’est plus un nombre', help: RATE, named: true },
  'loss-not-finite': { says: 'La perte n’est plus un nombre', help: RATE, named: true },
  'not-finite': { says: 'Les poids ne sont plus des nombres : le LoRA ne vaut rien', help: RATE },
  'all-zero': { says: 'Rien n’a été appris : les poids sont comme au début', help: 'Augmentez learning_rate.' },
  'no-weights': { says: 'Le LoRA ne contient aucun poids', help: LOG },
  'no-output': { says: 'Aucun LoRA n’a été écrit', help: LOG, named: true },
  'old-output': { says: 'Le LoRA est celui d’avant : cet entraînement ne l’a pas écrit', help: LOG },
  'broken-output': { says: 'Le LoRA n’est pas un fichier entier', help: LOG, named: true },
  'wrong-steps': { says: 'L’entraînement n’a pas fait tous ses pas', help: LOG, named: true },
  'no-state': { says: 'L’état d’où continuer n’est plus là', help: 'Recommencez l’entraînement.', named: true },
  failed: { says: 'L’entraîneur a échoué', help: LOG, named: true },
  'training-failed': { says: 'L’entraîneur a échoué', help: LOG, named: true }
}

/** The sentence of a code, with what the server said of it where that names something. */
export const toldOf = (code: string, sentence: string): string => {
  const told = TOLD[code]
  return told ? `${told.says}${told.named ? ` (${sentence.replace(/\.$/, '')})` : ''}.` : sentence
}

/** What to do about it; where only the server knows more, its own words. */
export const helpOf = (code: string, hint: string): string => (TOLD[code] ? TOLD[code].help : hint)

/** What a run waits for: the server's sentences, of which some name another run. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^waits until no session makes images$/, 'attend qu’aucune session ne fasse d’images'],
  [/^waits until ComfyUI has nothing to do$/, 'attend que ComfyUI n’ait rien à faire'],
  [/^waits for the end of (.+)$/, 'attend la fin de $1'],
  [/^is about to start$/, 'va démarrer'],
  [/^is prepared$/, 'se prépare'],
  [/^it cannot start yet: (.+)$/, 'ne peut pas encore démarrer : $1'],
  [/^it cannot be looked after: (.+)$/, 'ne peut pas être suivi : $1'],
  [/^waits for a program that starts it.*$/, 'attend un programme qui le démarre : ComfyUI avec SDGen, ou « sdgen train follow »']
]

export function reasonOf(said: string): string {
  const known = REASONS.find(([pattern]) => pattern.test(said))
  return known ? said.replace(known[0], known[1]) : said
}
