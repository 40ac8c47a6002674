/** What the page asks. `npm run generate` makes the types of all this out of schema.graphql, into src/gql/. */

import { graphql } from "./gql";

graphql(`
  fragment Figures on Campaign {
    id
    name
    state
    statistics {
      revision
      total
      indicators {
        indicator
        label
        count
        rate
      }
    }
  }
`);

graphql(`
  fragment Row on Message {
    id
    recipient
    status
    statusLabel
    statusAt
  }
`);

export const CAMPAIGN = graphql(`
  query Campaign($id: ID!) {
    campaign(id: $id) {
      ...Figures
    }
  }
`);

/** First the campaign as it is, then its newest state: after a loss of connection too. */
export const CAMPAIGN_UPDATED = graphql(`
  subscription CampaignUpdated($id: ID!) {
    campaignUpdated(id: $id) {
      ...Figures
    }
  }
`);

/** `updatesCursor`: what changes after this answer comes by MESSAGES_UPDATED, from that cursor on. */
export const PAGE = graphql(`
  query Page($id: ID!, $from: Int!, $first: Int!) {
    campaign(id: $id) {
      id
      updatesCursor
      messages(from: $from, first: $first) {
        totalCount
        nodes {
          ...Row
        }
      }
    }
  }
`);

/** Every message that changes after the cursor. The variable is called `after`: live.ts moves it along. */
export const MESSAGES_UPDATED = graphql(`
  subscription MessagesUpdated($id: ID!, $after: String!) {
    messagesUpdated(campaignId: $id, after: $after) {
      cursor
      resync
      messages {
        ...Row
      }
    }
  }
`);
