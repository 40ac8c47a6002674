// What a careful linter asks of schema.graphql, and of operations as clients write them. `make check` runs it.
//
// Names and shapes are those of the contract that clients are written against (tests/contract.graphql), so where a
// rule wants other ones, it is the rule that gives way; each such place says why.
import graphql from '@graphql-eslint/eslint-plugin';

const { rules: relay } = graphql.configs['flat/schema-relay'];
const { rules: schema } = graphql.configs['flat/schema-recommended'];
const { rules: operations } = graphql.configs['flat/operations-recommended'];

// Each is an app of its own, in which a name is given once.
const APPS = {
  ariadne: 'tests/documents/ariadne/*.graphql',
  'apollo-ios': 'examples/apollo-ios/graphql/*.graphql',
  'apollo-kotlin': 'examples/apollo-kotlin/src/main/graphql/*.graphql',
};

const language = {
  parser: graphql.parser,
  parserOptions: {
    graphQLConfig: {
      projects: Object.fromEntries(
        Object.entries(APPS).map(([name, documents]) => [name, { schema: 'schema.graphql', documents }]),
      ),
    },
  },
};

export default [
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['schema.graphql'],
    plugins: { '@graphql-eslint': graphql },
    languageOptions: language,
    rules: {
      ...schema,
      ...relay,

      // Besides types and root fields (recommended): all fields, enum values, arguments and inputs.
      '@graphql-eslint/require-description': [
        'error',
        {
          types: true,
          rootField: true,
          DirectiveDefinition: true,
          FieldDefinition: true,
          EnumValueDefinition: true,
          InputValueDefinition: true,
          ignoredSelectors: [
            // What an argument does is told by its field.
            'FieldDefinition InputValueDefinition',
            // Relay's specification says what these are, and each would say it of itself again.
            'ObjectTypeDefinition[name.value=/(Connection|Edge)$/] > FieldDefinition[name.value=/^(edges|nodes|node|cursor|pageInfo)$/]',
            'ObjectTypeDefinition[name.value=PageInfo] > FieldDefinition',
            '[name.value=clientMutationId]',
            // The same in each payload: see UserError.
            'FieldDefinition[name.value=userErrors]',
          ],
        },
      ],

      // A list of what is no page: a message's history, the ten counts, `nodes`, which GitHub's API has beside `edges`, too.
      // Relay's specification asks for edges in connections only.
      '@graphql-eslint/relay-edge-types': [
        'error',
        { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false },
      ],

      // What can be asked for again has an id. The others are values, parts of what they stand in: an id would promise
      // caches that they are the same thing elsewhere.
      '@graphql-eslint/strict-id-in-types': [
        'error',
        {
          acceptedIdNames: ['id'],
          acceptedIdTypes: ['ID'],
          exceptions: {
            suffixes: ['Payload', 'Connection', 'Edge'],
            types: [
              'Alert',
              'BreakdownRow',
              'CampaignHygiene',
              'ContactAttribute',
              'ContactRemoval',
              'DeliveryStatistics',
              'DeliveryTime',
              'IndicatorRate',
              'MessageUpdates',
              'PageInfo',
              'StatusChange',
              'StatusCount',
              'TimelinePoint',
              'UserError',
              'Viewer',
            ],
          },
        },
      ],
    },
  },
  {
    files: Object.values(APPS),
    plugins: { '@graphql-eslint': graphql },
    languageOptions: language,
    rules: operations,
  },
];
