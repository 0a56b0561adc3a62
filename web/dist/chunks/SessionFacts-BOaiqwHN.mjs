import{_ as o}from"./SessionFacts.vue_vue_type_script_setup_true_lang-CF4RHA7q.mjs";import"./style-Ck6IXD4B.mjs";import"./preload-helper-D8_b-Rn0.mjs";export{o as default};
