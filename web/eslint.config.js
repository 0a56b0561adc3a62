import vue from 'eslint-plugin-vue'
import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'src/app/openapi.d.ts'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  ...vue.configs['flat/essential'],
  {
    languageOptions: {
      parserOptions: { parser: tseslint.parser, project: './tsconfig.json', tsconfigRootDir: import.meta.dirname, extraFileExtensions: ['.vue'] }
    },
    rules: {
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'vue/multi-word-component-names': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      'no-restricted-imports': [
        'error',
        { paths: ['/scripts/app.js', '/scripts/api.js'].map((name) => ({ name, message: 'Only host.ts talks to ComfyUI.' })) }
      ]
    }
  },
  { files: ['src/host.ts'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['*.js', '*.mjs'], ...tseslint.configs.disableTypeChecked }
)
