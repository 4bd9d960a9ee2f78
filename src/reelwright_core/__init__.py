"""The words of Reelwright as types, and what keeps them safe on disk."""
