/** The server's problems that a person meets, by their code: what is wrong, and what to do about it. */
const PROBLEMS: Record<string, readonly [message: string, hint: string]> = {
  'unknown-session': ["Cette session n'est plus là", 'Elle a peut-être été supprimée ou importée de nouveau : rechargez la liste.'],
  'missing-file': ["Le fichier de cette image n'est plus là", "S'il a été déplacé, remettez-le à sa place ou importez de nouveau les sessions."],
  'token-needed': ["Ce serveur ne répond qu'à ceux qui ont son jeton", "Ouvrez l'adresse que le programme a affichée au démarrage, avec ?token= et le jeton."],
  'wrong-token': ["Ce n'est pas le jeton de ce serveur", "C'est « gallery_token » des réglages de SDGen, ou celui donné à « sdgen gallery --token »."],
  'write-refused': ['Rien ne peut être changé depuis une autre machine sans le jeton du serveur', 'Donnez une valeur à « gallery_token » dans settings.json de SDGen, redémarrez, puis ouvrez une fois /sdgen/login?token=JETON dans ce navigateur.'],
  'foreign-host': ["SDGen n'est pas connu sous cette adresse", 'Utilisez http://127.0.0.1 avec le port du serveur ; derrière un proxy, donnez une valeur à « gallery_token ».'],
  'catalog-locked': ['Un autre programme écrit en ce moment dans le catalogue', "Attendez qu'il ait fini, ou fermez-le."],
  'catalog-damaged': ['Un fichier du catalogue est abîmé', 'Remettez une copie de votre sauvegarde ; SDGen garde des copies des derniers jours à côté.'],
  'catalog-unusable': ['Le catalogue ne peut pas être utilisé', 'Vérifiez les droits et la place libre de son dossier, dans le dossier utilisateur de ComfyUI.'],
  'disk-full': ["Il n'y a plus assez de place sur le disque", "Libérez de la place, puis recommencez ; rien de ce qui est fini n'est perdu."],
  'unwritable-folder': ['Ce dossier ne peut pas être écrit', "Vérifiez qu'il existe et que vous avez le droit d'y écrire."],
  'internal-error': ['Le serveur a échoué', "C'est une erreur de SDGen : signalez-la avec le journal de ComfyUI."]
}

/** Images are asked for by their numbers; of other things the server says the name. */
const NO_IMAGE = /^there is no image \d+$/

export function problemOf(code: string, message: string): readonly [message: string, hint: string] | undefined {
  if (code === 'unknown-item' && NO_IMAGE.test(message)) return ["Cette image n'est plus là", "Les images ont de nouveaux numéros quand le catalogue a été refait : cherchez-la encore."]
  return PROBLEMS[code]
}
