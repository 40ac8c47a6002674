// The report of one campaign: its figures, its messages page by page, and what happens to them while one looks.
import { graphql } from 'relay-runtime';

export const MessageRow = graphql`
  fragment report_message on Message {
    id
    reference
    recipient
    contactName
    status
    statusLabel
    indicator
    statusAt
    errorCode
    errorReason
    history {
      status
      at
      errorCode
    }
  }
`;

export const Figures = graphql`
  fragment report_figures on Campaign @refetchable(queryName: "reportFiguresRefetchQuery") {
    state
    statistics {
      revision
      total
      indicators {
        indicator
        count
        rate
        action
        advice
      }
      statuses {
        status
        label
        count
        rate
      }
    }
  }
`;

export const MessageList = graphql`
  fragment report_messages on Campaign
  @refetchable(queryName: "reportMessagesPageQuery")
  @argumentDefinitions(
    first: { type: "Int", defaultValue: 3 }
    after: { type: "String" }
    filter: { type: "MessageFilter" }
    orderBy: { type: "MessageOrder" }
  ) {
    updatesCursor
    messages(first: $first, after: $after, filter: $filter, orderBy: $orderBy)
      @connection(key: "report_messages", filters: ["filter", "orderBy"]) {
      totalCount
      edges {
        node {
          ...report_message
        }
      }
    }
  }
`;

export const ReportPage = graphql`
  query reportQuery($id: ID!, $filter: MessageFilter, $orderBy: MessageOrder) {
    campaign(id: $id) {
      id
      name
      text
      sender
      ...report_figures
      ...report_messages @arguments(filter: $filter, orderBy: $orderBy)
    }
  }
`;

export const NewRecipients = graphql`
  mutation reportAddRecipientsMutation($input: AddRecipientsInput!, $connections: [ID!]!) {
    addRecipients(input: $input) {
      campaign {
        ...report_figures
      }
      messages @appendNode(connections: $connections, edgeTypeName: "MessageEdge") {
        ...report_message
      }
      userErrors {
        field
        code
        message
      }
    }
  }
`;

export const FigureChanges = graphql`
  subscription reportFiguresSubscription($id: ID!) {
    campaignUpdated(id: $id, minIntervalMs: 100) {
      ...report_figures
    }
  }
`;

export const MessageChanges = graphql`
  subscription reportMessagesSubscription($id: ID!, $after: String) {
    messagesUpdated(campaignId: $id, after: $after, minIntervalMs: 100) {
      cursor
      resync
      messages {
        ...report_message
      }
    }
  }
`;

export const Receipts = graphql`
  mutation reportReceiptsMutation($input: RecordReceiptsInput!) {
    recordReceipts(input: $input) {
      applied
      ignored
      parked
      userErrors {
        field
        code
      }
    }
  }
`;
