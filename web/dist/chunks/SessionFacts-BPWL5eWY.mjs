import{_ as o}from"./SessionFacts.vue_vue_type_script_setup_true_lang-DF-2_4B1.mjs";import"./style-CRE9fdQT.mjs";import"./preload-helper-D8_b-Rn0.mjs";export{o as default};
